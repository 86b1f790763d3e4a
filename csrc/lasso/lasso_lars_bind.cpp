// Bindings of lars and lars_compact.
#include "lasso/lasso_lars.h"

#include "core/call.h"
#include "core/module.h"
#include "lasso/lasso_compact_in.h"

namespace py = pybind11;

namespace layerwise {

void init_lasso_lars(py::module_& m);

namespace {

LW_SELECT_KERNELS(LarsKernels, lasso_lars_kernels)

template <class T>
const LarsFunctions<T>& functions(const Target& target) {
    const LarsKernels& kernels = lasso_lars_kernels(target.isa);
    if constexpr (sizeof(T) == 4)
        return kernels.f32;
    else
        return kernels.f64;
}

void check_lars_sizes(const char* op, const LarsShape& shape) {
    check_sizes(op,
                {{"signals", shape.signals},
                 {"features", shape.features},
                 {"atoms", shape.atoms},
                 {"kept", shape.kept}},
                sizeof(double));
    if (shape.max_active < 1)
        throw value_error(op, ": max_active must be >= 1; got ", shape.max_active);
    if (shape.atoms > std::numeric_limits<int32_t>::max() / 2)
        throw memory_error(op, ": atoms must be below 2^30; got ", shape.atoms);
    const int64_t active = std::min({shape.features, shape.atoms, shape.max_active});
    const double codes = (static_cast<double>(shape.signals) + 16) *
                         static_cast<double>(shape.kept) * static_cast<double>(active + 3);
    if (codes > static_cast<double>(std::numeric_limits<int64_t>::max()) / 256)
        throw memory_error(op, ": the codes of all knots must fit the address space; got ",
                           shape.signals, " signals of ", shape.kept, " knots of ", active);
}

struct LarsScalars {
    double alpha;
    bool nonnegative, path;
    int64_t max_active, max_steps;
};

struct LarsObjects {
    py::object x, phi, codes, gap, alphas, knots, counts, workspace;
};

void lars(const LarsObjects& o, const LarsScalars& scalars, const py::object& num_threads) {
    const char* op = "lars";
    Call call(op, num_threads);
    const OperandIn& x = call.operand(o.x, "x");
    const Array &phi = call.input(o.phi, "dictionary"), &codes = call.output(o.codes, "codes"),
                &gap = call.output(o.gap, "gap"), &alphas = call.output(o.alphas, "alphas"),
                &knots = call.other_output(o.knots, "knots"),
                &counts = call.other_output(o.counts, "counts");
    if (!x || !phi) throw type_error(op, ": x and dictionary must be arrays; got None");
    const bool rows = codes.given;
    if (gap.given != rows || alphas.given != rows || knots.given == rows || counts.given == rows)
        throw value_error(op,
                          ": either codes, gap and alphas or knots and counts must be given to "
                          "receive the result");
    if (rows && scalars.path)
        throw value_error(op, ": path must be False with codes, which are of one knot; got True");
    if (phi.rank() != 2)
        throw value_error(phi.label(), " must have shape (atoms, features); got ",
                          to_string(phi.shape));
    const LarsShape shape{x.rows, phi.shape[1], phi.shape[0], scalars.max_active,
                          rows ? 0 : (scalars.path ? scalars.max_steps + 1 : 1)};
    check_operand(x, op, "x", -1, shape.features);
    check_lars_sizes(op, shape);
    const auto count_vector = [&](const Array& array) {
        check_array(array, dtype_of<int64_t>, {shape.signals});
        if (!array) return Vector<int64_t>{};
        return Vector<int64_t>{static_cast<int64_t*>(array.data), shape.signals, array.strides[0]};
    };
    visit_float(call.dtype(), [&]<class T>() {
        LarsArgs<T> args;
        args.x = x.view<T>();
        args.phi = matrix<T>(phi, shape.atoms, shape.features);
        args.alpha = static_cast<T>(scalars.alpha);
        args.nonnegative = scalars.nonnegative;
        args.path = scalars.path;
        args.max_active = scalars.max_active;
        args.max_steps = scalars.max_steps;
        args.codes = output_matrix<T>(codes, shape.signals, shape.atoms);
        args.gap = output_vector<T>(gap, shape.signals);
        args.alphas = output_vector<T>(alphas, shape.signals);
        args.knots = count_vector(knots);
        args.counts = count_vector(counts);
        const LarsFunctions<T>& f = functions<T>(call.target());
        args.workspace = call.workspace(o.workspace, f.workspace(shape, call.target())).data;
        call.check();
        call.run([&](const Target& target) { return f.run(args, target); });
    });
}

struct LarsCompactObjects {
    py::object knot_ends, code_ends, alphas, gap, sizes, indices, values, workspace;
};

void lars_compact(const LarsCompactObjects& o, LarsShape shape, const py::object& num_threads) {
    const char* op = "lars_compact";
    Call call(op, num_threads);
    const Array &knot_ends = call.other(o.knot_ends, "knot_ends"),
                &code_ends = call.other(o.code_ends, "code_ends"),
                &alphas = call.output(o.alphas, "alphas"), &gap = call.output(o.gap, "gap"),
                &sizes = call.other_output(o.sizes, "sizes"),
                &indices = call.other_output(o.indices, "indices"),
                &values = call.output(o.values, "values");
    if (!knot_ends || !code_ends || !alphas || !gap || !sizes || !indices || !values)
        throw type_error(op, ": every array must be given; got None");
    check_array(knot_ends, dtype_of<int64_t>, {-1});
    shape.signals = knot_ends.shape[0] - 1;
    if (shape.signals < 0) throw value_error(knot_ends.label(), " must have an element");
    check_lars_sizes(op, shape);
    call.check();  // the ends, which are read here, are not on a GPU
    check_array(alphas, call.dtype(), {-1});
    check_array(values, call.dtype(), {-1});
    const int64_t knots = alphas.shape[0], codes = values.shape[0];
    const int64_t active = std::min({shape.features, shape.atoms, shape.max_active});
    visit_float(call.dtype(), [&]<class T>() {
        const LarsFunctions<T>& f = functions<T>(call.target());
        LarsCompactArgs<T> args;
        args.shape = shape;
        args.workspace = call.workspace(o.workspace, f.slab_bytes(shape)).data;
        args.knot_ends = ends_in(knot_ends, shape.signals, knots, shape.kept);
        args.code_ends = ends_in(code_ends, shape.signals, codes,
                                 active * (shape.kept > 1 ? shape.kept - 1 : shape.kept));
        args.alphas = contiguous<T>(alphas, knots);
        args.gap = contiguous<T>(gap, knots);
        args.sizes = contiguous<int64_t>(sizes, knots);
        args.indices = contiguous<int32_t>(indices, codes);
        args.values = contiguous<T>(values, codes);
        call.run([&](const Target& target) { return f.compact(args, target); });
    });
}

}  // namespace

void init_lasso_lars(py::module_& m) {
    m.def(
        "lars",
        [](py::object x, py::object phi, double alpha, bool nonnegative, bool path,
           py::object max_active, py::object max_steps, py::object codes, py::object gap,
           py::object alphas, py::object knots, py::object counts, py::object workspace,
           py::object num_threads) {
            const int64_t most = std::numeric_limits<int64_t>::max() - 1;
            lars({x, phi, codes, gap, alphas, knots, counts, workspace},
                 {alpha, nonnegative, path, integer(max_active, "lars", "max_active", 1, most),
                  integer(max_steps, "lars", "max_steps", 1, most)},
                 num_threads);
        },
        py::arg("x"), py::arg("dictionary"), py::arg("alpha"), py::kw_only(),
        py::arg("nonnegative") = false, py::arg("path") = false, py::arg("max_active"),
        py::arg("max_steps"), py::arg("codes") = py::none(), py::arg("gap") = py::none(),
        py::arg("alphas") = py::none(), py::arg("knots") = py::none(),
        py::arg("counts") = py::none(), py::arg("workspace") = py::none(),
        py::arg("num_threads") = py::none());
    m.def(
        "lars_compact",
        [](py::object knot_ends, py::object code_ends, int64_t features, int64_t atoms,
           int64_t max_active, int64_t kept, py::object alphas, py::object gap, py::object sizes,
           py::object indices, py::object values, py::object workspace, py::object num_threads) {
            lars_compact({knot_ends, code_ends, alphas, gap, sizes, indices, values, workspace},
                         {0, features, atoms, max_active, kept}, num_threads);
        },
        py::arg("knot_ends"), py::arg("code_ends"), py::kw_only(), py::arg("features"),
        py::arg("atoms"), py::arg("max_active"), py::arg("kept"), py::arg("alphas"), py::arg("gap"),
        py::arg("sizes"), py::arg("indices"), py::arg("values"), py::arg("workspace") = py::none(),
        py::arg("num_threads") = py::none());
    m.def(
        "lars_workspace",
        [](int64_t signals, int64_t features, int64_t atoms, const std::string& dtype,
           int64_t max_active, int64_t kept, py::object num_threads) {
            const char* op = "lars_workspace";
            const Call call(op, num_threads);
            const DType type = float_dtype(dtype, op);
            const LarsShape shape{signals, features, atoms, max_active, kept};
            check_lars_sizes(op, shape);
            return visit_float(type, [&]<class T>() {
                return Call::publish(functions<T>(call.target()).workspace(shape, call.target()));
            });
        },
        py::arg("signals"), py::arg("features"), py::arg("atoms"), py::arg("dtype"),
        py::arg("max_active"), py::arg("kept") = 0, py::arg("num_threads") = py::none());
}

}  // namespace layerwise
