// Bindings of dictionary_statistics and dictionary_update.
#include "lasso/lasso_dictionary.h"

#include "core/call.h"
#include "core/module.h"

namespace py = pybind11;

namespace layerwise {
namespace {

LW_SELECT_KERNELS(DictionaryKernels, lasso_dictionary_kernels)

template <class T>
const DictionaryFunctions<T>& functions(const Target& target) {
    const DictionaryKernels& kernels = lasso_dictionary_kernels(target.isa);
    if constexpr (sizeof(T) == 4)
        return kernels.f32;
    else
        return kernels.f64;
}

void check_dictionary_sizes(const char* op, int64_t atoms, int64_t features, DType dtype) {
    check_sizes(op, {{"atoms", atoms}, {"features", features}}, dtype.bytes);
}

void dictionary_statistics(const py::object& codes_object, const py::object& x_object,
                           const py::object& a_object, const py::object& b_object, double keep,
                           const py::object& num_threads) {
    const char* op = "dictionary_statistics";
    Call call(op, num_threads);
    const OperandIn &codes = call.operand(codes_object, "codes"), &x = call.operand(x_object, "x");
    const Array &a = call.output(a_object, "a"), &b = call.output(b_object, "b");
    if (!codes || !x || !a || !b)
        throw type_error(op, ": codes, x, a and b must be arrays; got None");
    if (codes.encoding != Encoding::csr) throw type_error(op, ": codes must be in CSR format");
    const int64_t atoms = codes.cols, features = x.cols;
    check_operand(x, op, "x", codes.rows, features);
    check_dictionary_sizes(op, atoms, features, call.dtype());
    visit_float(call.dtype(), [&]<class T>() {
        DictionaryStatisticsArgs<T> args;
        args.codes = codes.view<T>().csr;
        args.x = x.view<T>();
        args.keep = static_cast<T>(keep);
        args.a = output_matrix<T>(a, atoms, atoms);
        args.b = output_matrix<T>(b, atoms, features);
        call.check();
        call.run(
            [&](const Target& target) { return functions<T>(target).statistics(args, target); });
    });
}

void dictionary_update(const py::object& phi_object, const py::object& a_object,
                       const py::object& b_object, bool nonnegative, const py::object& sweeps,
                       const py::object& workspace, const py::object& num_threads) {
    const char* op = "dictionary_update";
    const int64_t count = integer(sweeps, op, "sweeps", 1, std::numeric_limits<int64_t>::max());
    Call call(op, num_threads);
    const Array &phi = call.output(phi_object, "dictionary"), &a = call.input(a_object, "a"),
                &b = call.input(b_object, "b");
    if (!phi || !a || !b) throw type_error(op, ": dictionary, a and b must be arrays; got None");
    if (phi.rank() != 2)
        throw value_error(phi.label(), " must have shape (atoms, features); got ",
                          to_string(phi.shape));
    const int64_t atoms = phi.shape[0], features = phi.shape[1];
    check_dictionary_sizes(op, atoms, features, call.dtype());
    visit_float(call.dtype(), [&]<class T>() {
        const DictionaryFunctions<T>& f = functions<T>(call.target());
        DictionaryUpdateArgs<T> args;
        args.a = matrix<T>(a, atoms, atoms);
        args.b = matrix<T>(b, atoms, features);
        args.nonnegative = nonnegative;
        args.sweeps = count;
        args.phi = output_matrix<T>(phi, atoms, features);
        args.workspace = call.workspace(workspace, f.workspace(atoms, features)).data;
        call.check();
        call.run([&](const Target& target) { return f.update(args, target); });
    });
}

}  // namespace

void init_lasso_dictionary(py::module_& m) {
    m.def("dictionary_statistics", dictionary_statistics, py::arg("codes"), py::arg("x"),
          py::arg("a"), py::arg("b"), py::kw_only(), py::arg("keep") = 0.0,
          py::arg("num_threads") = py::none());
    m.def("dictionary_update", dictionary_update, py::arg("dictionary"), py::arg("a"), py::arg("b"),
          py::kw_only(), py::arg("nonnegative") = false, py::arg("sweeps") = 1,
          py::arg("workspace") = py::none(), py::arg("num_threads") = py::none());
    m.def(
        "dictionary_update_workspace",
        [](int64_t atoms, int64_t features, const std::string& dtype, py::object num_threads) {
            const char* op = "dictionary_update_workspace";
            const Call call(op, num_threads);
            const DType type = float_dtype(dtype, op);
            check_dictionary_sizes(op, atoms, features, type);
            return visit_float(type, [&]<class T>() {
                return Call::publish(functions<T>(call.target()).workspace(atoms, features));
            });
        },
        py::arg("atoms"), py::arg("features"), py::arg("dtype"),
        py::arg("num_threads") = py::none());
}

}  // namespace layerwise
