// Bindings of gibbs_cd, gibbs_cd_update, gibbs_free_energy and gibbs_pseudo_likelihood.
#include "gibbs/gibbs.h"

#include "core/call.h"
#include "core/module.h"
#include "core/random_in.h"

namespace py = pybind11;

namespace layerwise {
namespace {

LW_SELECT_KERNELS_AND_CUDA(GibbsKernels, gibbs_kernels)

template <class T>
const GibbsFunctions<T>& functions(const Target& target) {
    const GibbsKernels& kernels = gibbs_kernels(target.isa);
    if constexpr (sizeof(T) == 4)
        return kernels.f32;
    else
        return kernels.f64;
}

// Member of GibbsFunctions<T> that tells a workspace.
enum class Op : uint8_t { cd, free_energy, pseudo_likelihood };

size_t needed_workspace(Op op, DType dtype, const GibbsShape& shape, const Target& target) {
    return visit_float(dtype, [&]<class T>() {
        const GibbsFunctions<T>& f = functions<T>(target);
        switch (op) {
            case Op::cd:
                return f.cd_workspace(shape, target);
            case Op::free_energy:
                return f.free_energy_workspace(shape, target);
            default:
                return f.pseudo_likelihood_workspace(shape, target);
        }
    });
}

void check_gibbs_sizes(const char* op, const GibbsShape& shape, DType dtype) {
    check_sizes(op,
                {{"batch", shape.batch},
                 {"chains", shape.chains},
                 {"visible", shape.visible},
                 {"hidden", shape.hidden}},
                dtype.bytes);
}

Storage storage_in(bool bfloat16) { return bfloat16 ? Storage::bfloat16 : Storage::full; }

void check_storage(const char* op, Storage storage, DType dtype) {
    if (storage == Storage::bfloat16 && dtype.bytes != sizeof(float))
        throw type_error(op, ": bfloat16 must be False where arrays are float64; got True");
}

// The model and the rows it sees: v (B,D), w (F,D), b (D,), a (F,).
struct ModelArrays {
    const OperandIn& v;
    const Array &w, &b, &a;
};

ModelArrays model_in(Call& call, const char* op, py::handle v, py::handle w, py::handle b,
                     py::handle a, bool updated = false) {
    const auto parameter = [&](py::handle object, const char* name) -> const Array& {
        return updated ? call.output(object, name) : call.input(object, name);
    };
    const ModelArrays x{call.operand(v, "v"), parameter(w, "w"), parameter(b, "b"),
                        parameter(a, "a")};
    if (!x.v || !x.w || !x.b || !x.a)
        throw type_error(op, ": v, w, b and a must be arrays; got None");
    if (x.w.rank() != 2)
        throw value_error(x.w.label(), " must have shape (hidden, visible); got ",
                          to_string(x.w.shape));
    check_operand(x.v, op, "v", -1, x.w.shape[1]);
    return x;
}

template <class T, class Args>
void set_model(Args& args, const ModelArrays& x) {
    const int64_t hidden = x.w.shape[0], visible = x.w.shape[1];
    args.v = x.v.view<T>();
    args.w = matrix<T>(x.w, hidden, visible);
    args.b = vector<T>(x.b, visible);
    args.a = vector<T>(x.a, hidden);
}

template <class Args>
void set_workspace(Args& args, Call& call, const py::object& workspace, Op op, DType dtype,
                   const GibbsShape& shape) {
    const Call::Block block =
        call.workspace(workspace, needed_workspace(op, dtype, shape, call.target()));
    args.workspace = block.data;
    args.workspace_bytes = block.bytes;
}

struct CdObjects {
    py::object chains, rows, workspace;
};

struct CdOptions {
    int k;
    bool visible_means;
    Storage storage;
    RandomStream random;
};

// Three arrays of the parameters' shapes that the call writes: statistics or velocities.
struct CdResults {
    const Array &w, &b, &a;
};

CdResults results_in(Call& call, const char* op, const py::object& w, const char* w_name,
                     const py::object& b, const char* b_name, const py::object& a,
                     const char* a_name) {
    const CdResults x{call.output(w, w_name), call.output(b, b_name), call.output(a, a_name)};
    if (!x.w || !x.b || !x.a)
        throw type_error(op, ": ", w_name, ", ", b_name, " and ", a_name,
                         " must be arrays; got None");
    return x;
}

template <class T>
GibbsCdStep<T> step_of(const ModelArrays& x, const CdResults& velocity,
                       const Momentum<double>& rule) {
    const int64_t hidden = x.w.shape[0], visible = x.w.shape[1];
    return {.w = output_matrix<T>(x.w, hidden, visible),
            .w_velocity = output_matrix<T>(velocity.w, hidden, visible),
            .b = output_vector<T>(x.b, visible),
            .b_velocity = output_vector<T>(velocity.b, visible),
            .a = output_vector<T>(x.a, hidden),
            .a_velocity = output_vector<T>(velocity.a, hidden),
            .rule = converted<T>(rule)};
}

// Both forms; with a rule, `results` are velocities.
void cd(Call& call, const char* op, const CdObjects& o, CdOptions options, const ModelArrays& x,
        const CdResults& results, const Momentum<double>* rule) {
    const BitsIn& chains = call.output_bits(o.chains, "chains");
    const int64_t hidden = x.w.shape[0], visible = x.w.shape[1];
    const GibbsShape shape{x.v.rows, chains.rows, visible, hidden, options.storage};
    check_gibbs_sizes(op, shape, call.dtype());
    check_storage(op, options.storage, call.dtype());
    check_bits(chains, op, "chains", -1, visible);
    if (x.v.rows == 0 || (chains && chains.rows == 0))
        throw value_error(op, ": v and chains must have at least one row; got ", x.v.rows, " and ",
                          chains.rows);
    if (chains && options.visible_means)
        throw value_error(op, ": visible_means must be False where chains are given; got True");
    const RowIds ids = row_ids_in(call, o.rows, op, "rows", chains ? chains.rows : x.v.rows);
    options.random.first_row = ids.first;
    options.random.row_ids = ids.ids;
    visit_float(call.dtype(), [&]<class T>() {
        GibbsCdArgs<T> args;
        set_model<T>(args, x);
        args.k = options.k;
        args.visible_means = options.visible_means;
        args.storage = options.storage;
        args.chains = chains.view<uint64_t>();
        args.random = options.random;
        if (rule) {
            args.step = step_of<T>(x, results, *rule);
        } else {
            args.dw = output_matrix<T>(results.w, hidden, visible);
            args.db = output_vector<T>(results.b, visible);
            args.da = output_vector<T>(results.a, hidden);
        }
        set_workspace(args, call, o.workspace, Op::cd, dtype_of<T>, shape);
        call.check();
        call.run([&](const Target& target) { return functions<T>(target).cd(args, target); });
    });
}

CdOptions cd_options(const char* op, py::handle k, bool visible_means, bool bfloat16,
                     py::handle seed, py::handle step, py::handle layer) {
    CdOptions options{};
    options.k = static_cast<int>(integer(k, op, "k", 1, std::numeric_limits<int32_t>::max()));
    options.visible_means = visible_means;
    options.storage = storage_in(bfloat16);
    options.random.seed = seed_in(seed, op);
    options.random.step =
        static_cast<uint32_t>(integer(step, op, "step", 0, (int64_t{1} << 32) - options.k));
    options.random.purpose = static_cast<uint32_t>(integer(layer, op, "layer", 0, 0xFFFF));
    return options;
}

// Both of the operations that give one number a row.
template <template <class> class Args>
void per_row(const char* op, Op kind, const py::object& v, const py::object& w, const py::object& b,
             const py::object& a, const py::object& out_object, const py::object& workspace,
             const py::object& num_threads) {
    Call call(op, num_threads);
    const ModelArrays x = model_in(call, op, v, w, b, a);
    const Array& out = call.output(out_object, "out");
    if (!out) throw type_error(op, ": out must be an array; got None");
    const GibbsShape shape{x.v.rows, 0, x.w.shape[1], x.w.shape[0]};
    check_gibbs_sizes(op, shape, call.dtype());
    visit_float(call.dtype(), [&]<class T>() {
        Args<T> args;
        set_model<T>(args, x);
        args.out = output_vector<T>(out, x.v.rows);
        set_workspace(args, call, workspace, kind, dtype_of<T>, shape);
        call.check();
        call.run([&](const Target& target) {
            if constexpr (std::is_same_v<Args<T>, FreeEnergyArgs<T>>)
                return functions<T>(target).free_energy(args, target);
            else
                return functions<T>(target).pseudo_likelihood(args, target);
        });
    });
}

void def_cd(py::module_& m) {
    m.def(
        "gibbs_cd",
        [](py::object v, py::object w, py::object b, py::object a, py::object dw, py::object db,
           py::object da, py::object k, bool visible_means, bool bfloat16, py::object chains,
           py::object seed, py::object step, py::object layer, py::object rows,
           py::object workspace, py::object num_threads) {
            const char* op = "gibbs_cd";
            Call call(op, num_threads);
            const ModelArrays x = model_in(call, op, v, w, b, a);
            const CdResults out = results_in(call, op, dw, "dw", db, "db", da, "da");
            cd(call, op, {chains, rows, workspace},
               cd_options(op, k, visible_means, bfloat16, seed, step, layer), x, out, nullptr);
        },
        py::arg("v"), py::arg("w"), py::arg("b"), py::arg("a"), py::arg("dw"), py::arg("db"),
        py::arg("da"), py::arg("k") = 1, py::arg("visible_means") = false,
        py::arg("bfloat16") = false, py::arg("chains") = py::none(), py::arg("seed") = 0,
        py::arg("step") = 0, py::arg("layer") = 0, py::arg("rows") = 0,
        py::arg("workspace") = py::none(), py::arg("num_threads") = py::none());
    m.def(
        "gibbs_cd_update",
        [](py::object v, py::object w, py::object b, py::object a, py::object w_velocity,
           py::object b_velocity, py::object a_velocity, double rate, double momentum,
           double weight_decay, py::object k, bool visible_means, bool bfloat16, py::object chains,
           py::object seed, py::object step, py::object layer, py::object rows,
           py::object workspace, py::object num_threads) {
            const char* op = "gibbs_cd_update";
            const Momentum<double> rule{rate, momentum, weight_decay};
            Call call(op, num_threads);
            const ModelArrays x = model_in(call, op, v, w, b, a, true);
            const CdResults velocity = results_in(call, op, w_velocity, "w_velocity", b_velocity,
                                                  "b_velocity", a_velocity, "a_velocity");
            cd(call, op, {chains, rows, workspace},
               cd_options(op, k, visible_means, bfloat16, seed, step, layer), x, velocity, &rule);
        },
        py::arg("v"), py::arg("w"), py::arg("b"), py::arg("a"), py::arg("w_velocity"),
        py::arg("b_velocity"), py::arg("a_velocity"), py::arg("rate"), py::arg("momentum") = 0.0,
        py::arg("weight_decay") = 0.0, py::arg("k") = 1, py::arg("visible_means") = false,
        py::arg("bfloat16") = false, py::arg("chains") = py::none(), py::arg("seed") = 0,
        py::arg("step") = 0, py::arg("layer") = 0, py::arg("rows") = 0,
        py::arg("workspace") = py::none(), py::arg("num_threads") = py::none());
    m.def(
        "gibbs_cd_workspace",
        [](int64_t batch, int64_t chains, int64_t visible, int64_t hidden, const std::string& dtype,
           py::object num_threads, bool bfloat16) {
            const char* op = "gibbs_cd_workspace";
            const Call call(op, num_threads);
            const GibbsShape shape{batch, chains, visible, hidden, storage_in(bfloat16)};
            check_gibbs_sizes(op, shape, float_dtype(dtype, op));
            check_storage(op, shape.storage, float_dtype(dtype, op));
            return Call::publish(
                needed_workspace(Op::cd, float_dtype(dtype, op), shape, call.target()));
        },
        py::arg("batch"), py::arg("chains"), py::arg("visible"), py::arg("hidden"),
        py::arg("dtype"), py::arg("num_threads") = py::none(), py::arg("bfloat16") = false);
}

template <template <class> class Args>
void def_per_row(py::module_& m, const char* op, const char* workspace_name, Op kind) {
    m.def(
        op,
        [op, kind](py::object v, py::object w, py::object b, py::object a, py::object out,
                   py::object workspace, py::object num_threads) {
            per_row<Args>(op, kind, v, w, b, a, out, workspace, num_threads);
        },
        py::arg("v"), py::arg("w"), py::arg("b"), py::arg("a"), py::kw_only(), py::arg("out"),
        py::arg("workspace") = py::none(), py::arg("num_threads") = py::none());
    m.def(
        workspace_name,
        [workspace_name, kind](int64_t batch, int64_t visible, int64_t hidden,
                               const std::string& dtype, py::object num_threads) {
            const Call call(workspace_name, num_threads);
            const GibbsShape shape{batch, 0, visible, hidden};
            const DType type = float_dtype(dtype, workspace_name);
            check_gibbs_sizes(workspace_name, shape, type);
            return Call::publish(needed_workspace(kind, type, shape, call.target()));
        },
        py::arg("batch"), py::arg("visible"), py::arg("hidden"), py::arg("dtype"),
        py::arg("num_threads") = py::none());
}

}  // namespace

void init_gibbs(py::module_& m) {
    register_family(
        "gibbs", {"gibbs_cd", "gibbs_cd_update", "gibbs_free_energy", "gibbs_pseudo_likelihood"});
    def_cd(m);
    def_per_row<FreeEnergyArgs>(m, "gibbs_free_energy", "gibbs_free_energy_workspace",
                                Op::free_energy);
    def_per_row<PseudoLikelihoodArgs>(m, "gibbs_pseudo_likelihood",
                                      "gibbs_pseudo_likelihood_workspace", Op::pseudo_likelihood);
}

}  // namespace layerwise
