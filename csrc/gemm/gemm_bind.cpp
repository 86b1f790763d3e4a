// Binding of gemm.
#include "gemm/gemm.h"

#include "core/call.h"
#include "core/module.h"
#include "core/random_in.h"

namespace py = pybind11;

namespace layerwise {
namespace {

LW_SELECT_KERNELS_AND_CUDA(GemmKernels, gemm_kernels)

template <class T>
const GemmFunctions<T>& functions(const Target& target) {
    const GemmKernels& kernels = gemm_kernels(target.isa);
    if constexpr (sizeof(T) == 4)
        return kernels.f32;
    else
        return kernels.f64;
}

Activation activation_in(const std::string& name) {
    if (name == "none") return Activation::none;
    if (name == "sigmoid") return Activation::sigmoid;
    if (name == "relu") return Activation::relu;
    if (name == "softplus") return Activation::softplus;
    if (name == "tanh") return Activation::tanh;
    throw value_error(
        "gemm: activation must be 'none', 'sigmoid', 'relu', 'softplus' or 'tanh'; got '", name,
        "'");
}

Noise noise_in(const std::string& name) {
    if (name == "none") return Noise::none;
    if (name == "bernoulli") return Noise::bernoulli;
    if (name == "gaussian") return Noise::gaussian;
    throw value_error("gemm: noise must be 'none', 'bernoulli' or 'gaussian'; got '", name, "'");
}

size_t published_workspace(int64_t m, int64_t n, int64_t k, const std::string& dtype,
                           const py::object& num_threads, size_t max_workspace, bool least) {
    const char* op = "gemm_workspace";
    const Call call(op, num_threads);
    const DType type = float_dtype(dtype, op);
    check_sizes(op, {{"m", m}, {"n", n}, {"k", k}}, type.bytes);
    // The bound covers the alignment slack too; 0 means no bound to the kernel.
    const size_t slack = Call::publish(1) - 1;
    const size_t bound = max_workspace > slack ? max_workspace - slack : max_workspace != 0;
    const GemmShape shape{m, n, k, bound};
    return visit_float(type, [&]<class T>() {
        const GemmFunctions<T>& f = functions<T>(call.target());
        return Call::publish((least ? f.min_workspace : f.workspace)(shape, call.target()));
    });
}

struct GemmObjects {
    py::object a, b, a_tail, b_tail, c, bias, gate, rows, mean, sample, sample_bits, workspace;
    py::object step_w, step_velocity;
};

struct GemmScalars {
    double alpha, beta, tail_scale, noise_scale;
    Activation activation;
    Noise noise;
    RandomStream random;
    Momentum<double> rule;
};

// Arguments registered with the call, before the dtype is known.
struct GemmArrays {
    const OperandIn &a, &b, &a_tail, &b_tail;
    const Array &c, &bias, &gate, &mean, &sample;
    const BitsIn& sample_bits;
    const Array &step_w, &step_velocity;
};

void check_consistent(const GemmArrays& x, const GemmScalars& s) {
    if (!x.a || !x.b) throw type_error("gemm: a and b must be matrices; got None");
    check_operand(x.b, "gemm", "b", x.a.cols, -1);
    if (x.a_tail.given != x.b_tail.given)
        throw value_error("gemm: a_tail and b_tail must be given together; got one of them");
    check_operand(x.a_tail, "gemm", "a_tail", x.a.rows, -1);
    if (x.a_tail) check_operand(x.b_tail, "gemm", "b_tail", x.a_tail.cols, x.b.cols);
    if (!x.mean && !x.sample && !x.sample_bits && !x.step_w)
        throw value_error(
            "gemm: mean, sample, sample_bits or step_w must be given to receive the result");
    if (bool(x.step_w) != bool(x.step_velocity))
        throw value_error("gemm: step_w and step_velocity must be given together; got one of them");
    if (x.sample && x.sample_bits)
        throw value_error("gemm: sample or sample_bits must be given; got both");
    if (x.sample_bits && s.noise != Noise::bernoulli)
        throw value_error("gemm: sample_bits must come with noise='bernoulli'");
    if (s.beta != 0 && !x.c) throw value_error("gemm: c must be given where beta != 0; got None");
    check_bits(x.sample_bits, "gemm", "sample_bits", x.a.rows, x.b.cols);
    check_sizes("gemm",
                {{"m", x.a.rows}, {"n", x.b.cols}, {"k", x.a.cols}, {"k_tail", x.a_tail.cols}}, 8);
}

template <class T>
void run(Call& call, const GemmArrays& x, const GemmScalars& s, const py::object& workspace) {
    const int64_t m = x.a.rows, n = x.b.cols;
    GemmArgs<T> args;
    args.a = x.a.view<T>();
    args.b = x.b.view<T>();
    args.a_tail = x.a_tail.view<T>();
    args.b_tail = x.b_tail.view<T>();
    args.tail_scale = static_cast<T>(s.tail_scale);
    args.epilogue = {.alpha = static_cast<T>(s.alpha),
                     .beta = static_cast<T>(s.beta),
                     .c = matrix<T>(x.c, m, n),
                     .bias = vector<T>(x.bias, n),
                     .activation = s.activation,
                     .gate = matrix<T>(x.gate, m, n),
                     .noise = s.noise,
                     .noise_scale = static_cast<T>(s.noise_scale),
                     .random = s.random,
                     .step = {output_matrix<T>(x.step_w, m, n),
                              output_matrix<T>(x.step_velocity, m, n), converted<T>(s.rule)}};
    args.mean = output_matrix<T>(x.mean, m, n);
    args.sample = output_matrix<T>(x.sample, m, n);
    args.sample_bits = x.sample_bits.view<uint64_t>();
    const GemmFunctions<T>& f = functions<T>(call.target());
    // Any workspace from the least on will do: the kernel tiles to what it gets.
    const GemmShape shape{m, n, x.a.cols + x.a_tail.cols, 0};
    const Call::Block block = call.workspace(workspace, f.min_workspace(shape, call.target()));
    args.workspace = block.data;
    args.workspace_bytes = block.bytes;
    call.check();
    call.run([&](const Target& target) { return f.run(args, target); });
}

void gemm(const GemmObjects& o, GemmScalars s, const py::object& num_threads) {
    Call call("gemm", num_threads);
    const GemmArrays x{call.operand(o.a, "a"),
                       call.operand(o.b, "b"),
                       call.operand(o.a_tail, "a_tail"),
                       call.operand(o.b_tail, "b_tail"),
                       call.input(o.c, "c", Alias::exact),
                       call.input(o.bias, "bias"),
                       call.input(o.gate, "gate", Alias::exact),
                       call.output(o.mean, "mean"),
                       call.output(o.sample, "sample"),
                       call.output_bits(o.sample_bits, "sample_bits"),
                       call.output(o.step_w, "step_w"),
                       call.output(o.step_velocity, "step_velocity")};
    check_consistent(x, s);
    const RowIds ids = row_ids_in(call, o.rows, "gemm", "rows", x.a.rows);
    s.random.first_row = ids.first;
    s.random.row_ids = ids.ids;
    visit_float(call.dtype(), [&]<class T>() { run<T>(call, x, s, o.workspace); });
}

}  // namespace

void init_gemm(py::module_& m) {
    register_family("gemm", {"gemm"});
    m.def(
        "gemm",
        [](py::object a, py::object b, double alpha, double beta, py::object c, py::object bias,
           const std::string& activation, py::object gate, const std::string& noise,
           double noise_scale, py::object seed, py::object step, py::object purpose,
           py::object rows, py::object mean, py::object sample, py::object sample_bits,
           py::object workspace, py::object num_threads, py::object step_w,
           py::object step_velocity, double rate, double momentum, double weight_decay,
           py::object a_tail, py::object b_tail, double tail_scale) {
            RandomStream random;
            random.seed = seed_in(seed, "gemm");
            random.step = counter_word(step, "gemm", "step");
            random.purpose = counter_word(purpose, "gemm", "purpose");
            gemm({a, b, a_tail, b_tail, c, bias, gate, rows, mean, sample, sample_bits, workspace,
                  step_w, step_velocity},
                 {alpha,
                  beta,
                  tail_scale,
                  noise_scale,
                  activation_in(activation),
                  noise_in(noise),
                  random,
                  {rate, momentum, weight_decay}},
                 num_threads);
        },
        py::arg("a"), py::arg("b"), py::arg("alpha") = 1.0, py::arg("beta") = 0.0,
        py::arg("c") = py::none(), py::arg("bias") = py::none(), py::arg("activation") = "none",
        py::arg("gate") = py::none(), py::arg("noise") = "none", py::arg("noise_scale") = 1.0,
        py::arg("seed") = 0, py::arg("step") = 0, py::arg("purpose") = 0, py::arg("rows") = 0,
        py::arg("mean") = py::none(), py::arg("sample") = py::none(),
        py::arg("sample_bits") = py::none(), py::arg("workspace") = py::none(),
        py::arg("num_threads") = py::none(), py::arg("step_w") = py::none(),
        py::arg("step_velocity") = py::none(), py::arg("rate") = 0.0, py::arg("momentum") = 0.0,
        py::arg("weight_decay") = 0.0, py::kw_only(), py::arg("a_tail") = py::none(),
        py::arg("b_tail") = py::none(), py::arg("tail_scale") = 1.0);
    const auto def_workspace = [&](const char* name, bool least) {
        m.def(
            name,
            [least](int64_t rows, int64_t cols, int64_t depth, const std::string& dtype,
                    py::object num_threads, size_t max_workspace) {
                return published_workspace(rows, cols, depth, dtype, num_threads, max_workspace,
                                           least);
            },
            py::arg("m"), py::arg("n"), py::arg("k"), py::arg("dtype"),
            py::arg("num_threads") = py::none(), py::arg("max_workspace") = 0);
    };
    def_workspace("gemm_workspace", false);
    def_workspace("gemm_min_workspace", true);
}

}  // namespace layerwise
