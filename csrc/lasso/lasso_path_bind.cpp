// Binding of lasso_path.
#include "core/call.h"
#include "lasso/lasso_path.h"

namespace py = pybind11;

namespace layerwise {

void init_lasso_path(py::module_& m);

namespace {

LW_SELECT_KERNELS(LassoPathKernels, lasso_path_kernels)

template <class T>
const LassoPathFunctions<T>& functions(const Target& target) {
    const LassoPathKernels& kernels = lasso_path_kernels(target.isa);
    if constexpr (sizeof(T) == 4)
        return kernels.f32;
    else
        return kernels.f64;
}

void check_lasso_path_sizes(const char* op, const LassoPathShape& shape, DType dtype) {
    check_sizes(op, {{"samples", shape.samples}, {"features", shape.features}}, dtype.bytes);
    if (shape.features > std::numeric_limits<int32_t>::max() / 2)
        throw memory_error(op, ": features must be below 2^30; got ", shape.features);
}

struct PathObjects {
    py::object columns, y, sample_weights, weights, start, penalty, ridge;
    py::object codes, intercepts, gap, iterations, workspace;
};

struct PathScalars {
    bool intercept, nonnegative;
    double tolerance;
    int64_t max_iterations;
};

template <class T>
Vector<const T> other_vector(const Array& array, DType dtype, int64_t size) {
    check_array(array, dtype, {size});
    return {static_cast<const T*>(array.data), array.shape[0], array.strides[0]};
}

void lasso_path(const PathObjects& o, const PathScalars& scalars, const py::object& num_threads) {
    const char* op = "lasso_path";
    Call call(op, num_threads);
    const OperandIn& columns = call.operand(o.columns, "columns");
    const Array &y = call.input(o.y, "y"),
                &sample_weights = call.input(o.sample_weights, "sample_weights"),
                &weights = call.input(o.weights, "weights"), &start = call.input(o.start, "start"),
                &penalty = call.other(o.penalty, "penalty"), &ridge = call.other(o.ridge, "ridge");
    const Array &codes = call.output(o.codes, "codes"),
                &intercepts = call.output(o.intercepts, "intercepts"),
                &gap = call.output(o.gap, "gap"),
                &iterations = call.other_output(o.iterations, "iterations");
    if (!columns || !y || !penalty || !ridge || !codes || !intercepts || !gap || !iterations)
        throw type_error(op,
                         ": columns, y, penalty, ridge and the outputs must be arrays; "
                         "got None");
    if (columns.encoding == Encoding::bits)
        throw type_error(op, ": columns must be dense or CSR; got bits");
    if (penalty.rank() != 1)
        throw value_error(penalty.label(), " must be 1-D; got shape ", to_string(penalty.shape));
    LassoPathShape shape{columns.cols, columns.rows, false};
    shape.copied =
        columns.encoding == Encoding::dense && columns.dense.strides[1] != 1 && shape.samples > 1;
    const int64_t count = penalty.shape[0];
    check_lasso_path_sizes(op, shape, call.dtype());
    visit_float(call.dtype(), [&]<class T>() {
        LassoPathArgs<T> args;
        args.columns = columns.view<T>();
        args.y = vector<T>(y, shape.samples);
        args.sample_weights = vector<T>(sample_weights, shape.samples);
        args.weights = vector<T>(weights, shape.features);
        args.start = vector<T>(start, shape.features);
        args.penalty = other_vector<double>(penalty, dtype_of<double>, count);
        args.ridge = other_vector<double>(ridge, dtype_of<double>, count);
        args.intercept = scalars.intercept;
        args.nonnegative = scalars.nonnegative;
        args.tolerance = scalars.tolerance;
        args.max_iterations = scalars.max_iterations;
        args.codes = output_matrix<T>(codes, count, shape.features);
        args.intercepts = output_vector<T>(intercepts, count);
        args.gap = output_vector<T>(gap, count);
        check_array(iterations, dtype_of<int64_t>, {count});
        args.iterations = {static_cast<int64_t*>(iterations.data), count, iterations.strides[0]};
        const LassoPathFunctions<T>& f = functions<T>(call.target());
        args.workspace = call.workspace(o.workspace, f.workspace(shape)).data;
        call.check();
        call.run([&](const Target& target) { return f.run(args, target); });
    });
}

}  // namespace

void init_lasso_path(py::module_& m) {
    m.def(
        "lasso_path",
        [](py::object columns, py::object y, py::object penalty, py::object ridge,
           py::object sample_weights, py::object weights, py::object start, bool intercept,
           bool nonnegative, double tolerance, py::object max_iterations, py::object codes,
           py::object intercepts, py::object gap, py::object iterations, py::object workspace,
           py::object num_threads) {
            const int64_t epochs = integer(max_iterations, "lasso_path", "max_iterations", 1,
                                           std::numeric_limits<int64_t>::max());
            lasso_path({columns, y, sample_weights, weights, start, penalty, ridge, codes,
                        intercepts, gap, iterations, workspace},
                       {intercept, nonnegative, tolerance, epochs}, num_threads);
        },
        py::arg("columns"), py::arg("y"), py::arg("penalty"), py::arg("ridge"), py::kw_only(),
        py::arg("sample_weights") = py::none(), py::arg("weights") = py::none(),
        py::arg("start") = py::none(), py::arg("intercept") = true, py::arg("nonnegative") = false,
        py::arg("tolerance") = 1e-4, py::arg("max_iterations") = 1000, py::arg("codes"),
        py::arg("intercepts"), py::arg("gap"), py::arg("iterations"),
        py::arg("workspace") = py::none(), py::arg("num_threads") = py::none());
    m.def(
        "lasso_path_workspace",
        [](int64_t samples, int64_t features, const std::string& dtype, bool copied,
           py::object num_threads) {
            const char* op = "lasso_path_workspace";
            const Call call(op, num_threads);
            const DType type = float_dtype(dtype, op);
            const LassoPathShape shape{samples, features, copied};
            check_lasso_path_sizes(op, shape, type);
            return visit_float(type, [&]<class T>() {
                return Call::publish(functions<T>(call.target()).workspace(shape));
            });
        },
        py::arg("samples"), py::arg("features"), py::arg("dtype"), py::arg("copied") = false,
        py::arg("num_threads") = py::none());
}

}  // namespace layerwise
