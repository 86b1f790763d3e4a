// Bindings of lasso and lasso_compact.
#include "lasso/lasso.h"

#include "core/call.h"
#include "core/module.h"
#include "lasso/lasso_compact_in.h"

namespace py = pybind11;

namespace layerwise {

void init_lasso_dictionary(py::module_& m);
void init_lasso_lars(py::module_& m);
void init_lasso_path(py::module_& m);

namespace {

LW_SELECT_KERNELS(LassoKernels, lasso_kernels)

template <class T>
const LassoFunctions<T>& functions(const Target& target) {
    const LassoKernels& kernels = lasso_kernels(target.isa);
    if constexpr (sizeof(T) == 4)
        return kernels.f32;
    else
        return kernels.f64;
}

LassoMethod method_in(const std::string& name) {
    if (name == "auto") return LassoMethod::automatic;
    if (name == "active_set") return LassoMethod::active_set;
    if (name == "coordinate_descent") return LassoMethod::coordinate_descent;
    throw value_error("lasso: method must be 'auto', 'active_set' or 'coordinate_descent'; got '",
                      name, "'");
}

void check_lasso_sizes(const char* op, const LassoShape& shape, DType dtype) {
    check_sizes(op,
                {{"signals", shape.signals},
                 {"features", shape.features},
                 {"atoms", shape.atoms},
                 {"max_active", shape.max_active}},
                dtype.bytes);
    if (shape.atoms > std::numeric_limits<int32_t>::max() / 2)
        throw memory_error(op, ": atoms must be below 2^30; got ", shape.atoms);
}

struct LassoObjects {
    py::object x, phi, weights, ridge, start, gram, missing, codes, counts, gap, workspace;
};

struct LassoScalars {
    double alpha, tolerance;
    bool nonnegative;
    int64_t max_iterations, max_active;
    LassoMethod method;
    bool nan_missing;
};

// Weights or ridge: (1,K), which serves every row, or (M,K).
template <class T>
Matrix<const T> per_atom(const Array& array, const LassoShape& shape) {
    const bool shared = array && array.rank() == 2 && array.shape[0] == 1;
    Matrix<const T> view = matrix<T>(array, shared ? 1 : shape.signals, shape.atoms);
    if (shared) view.row_stride = 0;
    return view;
}

// Which entries of x are missing: bool of its shape.
Matrix<const uint8_t> marks(const Array& array, const LassoShape& shape) {
    check_array(array, {Kind::boolean, 1}, {shape.signals, shape.features});
    if (!array) return {};
    return {static_cast<const uint8_t*>(array.data), shape.signals, shape.features,
            array.strides[0], array.strides[1]};
}

// lasso and omp, which is one of its methods.
void lasso(const char* op, const LassoObjects& o, const LassoScalars& scalars,
           const py::object& num_threads) {
    Call call(op, num_threads);
    const OperandIn& x = call.operand(o.x, "x");
    const Array &phi = call.input(o.phi, "dictionary"), &weights = call.input(o.weights, "weights"),
                &ridge = call.input(o.ridge, "ridge"), &gram = call.input(o.gram, "gram"),
                &missing = call.other(o.missing, "missing");
    const OperandIn& start = call.operand(o.start, "start");
    const Array &codes = call.output(o.codes, "codes"),
                &counts = call.other_output(o.counts, "counts"), &gap = call.output(o.gap, "gap");
    if (!x || !phi || !gap)
        throw type_error(op, ": x, dictionary and gap must be arrays; got None");
    if (codes.given == counts.given)
        throw value_error(op, ": one of codes and counts must be given to receive the result");
    if (phi.rank() != 2)
        throw value_error(phi.label(), " must have shape (atoms, features); got ",
                          to_string(phi.shape));
    const LassoShape shape{x.rows,       phi.shape[1],       phi.shape[0],
                           counts.given, scalars.max_active, missing || scalars.nan_missing};
    if (shape.missing && x.encoding != Encoding::dense)
        throw type_error(op, ": x must be a dense array where entries may be missing");
    check_operand(x, op, "x", -1, shape.features);
    check_operand(start, op, "start", shape.signals, shape.atoms);
    check_lasso_sizes(op, shape, call.dtype());
    visit_float(call.dtype(), [&]<class T>() {
        LassoArgs<T> args;
        args.x = x.view<T>();
        args.phi = matrix<T>(phi, shape.atoms, shape.features);
        args.gram = matrix<T>(gram, shape.atoms, shape.atoms);
        args.nan_missing = scalars.nan_missing;
        args.missing = marks(missing, shape);
        args.alpha = static_cast<T>(scalars.alpha);
        args.weights = per_atom<T>(weights, shape);
        args.ridge = per_atom<T>(ridge, shape);
        args.nonnegative = scalars.nonnegative;
        args.has_start = start.given;
        args.start = start.view<T>();
        args.tolerance = static_cast<T>(scalars.tolerance);
        args.max_iterations = scalars.max_iterations;
        args.method = scalars.method;
        args.max_active = scalars.max_active;
        args.codes = output_matrix<T>(codes, shape.signals, shape.atoms);
        check_array(counts, dtype_of<int64_t>, {shape.signals});
        if (counts)
            args.counts = {static_cast<int64_t*>(counts.data), shape.signals, counts.strides[0]};
        args.gap = output_vector<T>(gap, shape.signals);
        const LassoFunctions<T>& f = functions<T>(call.target());
        args.workspace = call.workspace(o.workspace, f.workspace(shape, call.target())).data;
        call.check();
        call.run([&](const Target& target) { return f.run(args, target); });
    });
}

void lasso_compact(py::object indptr_object, const LassoShape& given, py::object indices_object,
                   py::object values_object, py::object workspace, py::object num_threads) {
    const char* op = "lasso_compact";
    Call call(op, num_threads);
    const Array &indptr = call.other(indptr_object, "indptr"),
                &indices = call.other_output(indices_object, "indices"),
                &values = call.output(values_object, "values");
    if (!indptr || !indices || !values)
        throw type_error(op, ": indptr, indices and values must be arrays; got None");
    check_array(indptr, dtype_of<int64_t>, {-1});
    if (indptr.shape[0] < 1) throw value_error(indptr.label(), " must have an element");
    LassoShape shape = given;
    shape.signals = indptr.shape[0] - 1;
    check_lasso_sizes(op, shape, call.dtype());
    check_array(indices, dtype_of<int32_t>, {-1});
    const int64_t non_zeros = indices.shape[0];
    call.check();  // indptr, which is read here, is not on a GPU
    visit_float(call.dtype(), [&]<class T>() {
        const LassoFunctions<T>& f = functions<T>(call.target());
        LassoCompactArgs<T> args;
        args.workspace = call.workspace(workspace, f.slab_bytes(shape)).data;
        args.indptr = ends_in(indptr, shape.signals, non_zeros, shape.atoms);
        args.atoms = shape.atoms;
        args.indices = contiguous<int32_t>(indices, non_zeros);
        args.values = contiguous<T>(values, non_zeros);
        call.check();
        call.run([&](const Target& target) { return f.compact(args, target); });
    });
}

}  // namespace

void init_lasso(py::module_& m) {
    register_family(
        "lasso", Device::cpu,
        {"lars", "lasso", "lasso_path", "omp", "dictionary_statistics", "dictionary_update"});
    init_lasso_path(m);
    init_lasso_dictionary(m);
    init_lasso_lars(m);
    m.def(
        "lasso",
        [](py::object x, py::object phi, double alpha, py::object weights, py::object ridge,
           bool nonnegative, py::object start, py::object gram, py::object missing,
           bool nan_missing, double tolerance, py::object max_iterations, const std::string& method,
           py::object codes, py::object counts, py::object gap, py::object workspace,
           py::object num_threads) {
            const int64_t passes = integer(max_iterations, "lasso", "max_iterations", 1,
                                           std::numeric_limits<int64_t>::max());
            lasso("lasso",
                  {x, phi, weights, ridge, start, gram, missing, codes, counts, gap, workspace},
                  {alpha, tolerance, nonnegative, passes, 0, method_in(method), nan_missing},
                  num_threads);
        },
        py::arg("x"), py::arg("dictionary"), py::arg("alpha"), py::kw_only(),
        py::arg("weights") = py::none(), py::arg("ridge") = py::none(),
        py::arg("nonnegative") = false, py::arg("start") = py::none(), py::arg("gram") = py::none(),
        py::arg("missing") = py::none(), py::arg("nan_missing") = false,
        py::arg("tolerance") = 1e-4, py::arg("max_iterations") = 1000, py::arg("method") = "auto",
        py::arg("codes") = py::none(), py::arg("counts") = py::none(), py::arg("gap"),
        py::arg("workspace") = py::none(), py::arg("num_threads") = py::none());
    m.def(
        "omp",
        [](py::object x, py::object phi, py::object max_active, double tolerance, py::object codes,
           py::object counts, py::object residual, py::object workspace, py::object num_threads) {
            const int64_t active =
                integer(max_active, "omp", "max_active", 1, std::numeric_limits<int32_t>::max());
            const py::none none;
            lasso("omp", {x, phi, none, none, none, none, none, codes, counts, residual, workspace},
                  {0.0, tolerance, false, 0, active, LassoMethod::matching_pursuit, false},
                  num_threads);
        },
        py::arg("x"), py::arg("dictionary"), py::kw_only(), py::arg("max_active"),
        py::arg("tolerance") = 0.0, py::arg("codes") = py::none(), py::arg("counts") = py::none(),
        py::arg("residual"), py::arg("workspace") = py::none(),
        py::arg("num_threads") = py::none());
    m.def(
        "lasso_compact",
        [](py::object indptr, int64_t features, int64_t atoms, py::object indices,
           py::object values, py::object workspace, py::object num_threads) {
            lasso_compact(indptr, {0, features, atoms, true, 0}, indices, values, workspace,
                          num_threads);
        },
        py::arg("indptr"), py::kw_only(), py::arg("features"), py::arg("atoms"), py::arg("indices"),
        py::arg("values"), py::arg("workspace") = py::none(), py::arg("num_threads") = py::none());
    m.def(
        "lasso_workspace",
        [](int64_t signals, int64_t features, int64_t atoms, const std::string& dtype, bool slabs,
           int64_t max_active, bool missing, py::object num_threads) {
            const char* op = "lasso_workspace";
            const Call call(op, num_threads);
            const DType type = float_dtype(dtype, op);
            const LassoShape shape{signals, features, atoms, slabs, max_active, missing};
            check_lasso_sizes(op, shape, type);
            return visit_float(type, [&]<class T>() {
                return Call::publish(functions<T>(call.target()).workspace(shape, call.target()));
            });
        },
        py::arg("signals"), py::arg("features"), py::arg("atoms"), py::arg("dtype"),
        py::arg("slabs") = false, py::arg("max_active") = 0, py::arg("missing") = false,
        py::arg("num_threads") = py::none());
}

}  // namespace layerwise
