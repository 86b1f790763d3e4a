// Binding of dense.
#include "dense/dense.h"

#include <algorithm>
#include <cstdlib>

#include "core/call.h"
#include "core/module.h"
#include "core/random_in.h"

namespace py = pybind11;

namespace layerwise {
namespace {

LW_SELECT_KERNELS_AND_CUDA(DenseKernels, dense_kernels)

template <class T>
const DenseFunctions<T>& functions(const Target& target) {
    const DenseKernels& kernels = dense_kernels(target.isa);
    if constexpr (sizeof(T) == 4)
        return kernels.f32;
    else
        return kernels.f64;
}

void require(const Array& array) {
    if (!array) throw type_error(array.label(), " must be an array; got None");
}

Activation activation_in(const std::string& name) {
    if (name == "none") return Activation::none;
    if (name == "sigmoid") return Activation::sigmoid;
    if (name == "relu") return Activation::relu;
    if (name == "softplus") return Activation::softplus;
    if (name == "tanh") return Activation::tanh;
    throw value_error(
        "activation_dx: activation must be 'none', 'sigmoid', 'relu', 'softplus' or 'tanh'; got '",
        name, "'");
}

void dense_db(const py::object& dz, const py::object& out, double alpha,
              const py::object& num_threads) {
    Call call("dense_db", num_threads);
    const Array& dz_in = call.input(dz, "dz");
    const Array& out_in = call.output(out, "out");
    require(dz_in);
    require(out_in);
    visit_float(call.dtype(), [&]<class T>() {
        DenseDbArgs<T> args;
        args.dz = matrix<T>(dz_in, -1, -1);
        args.alpha = static_cast<T>(alpha);
        args.out = output_vector<T>(out_in, args.dz.cols);
        call.check();
        call.run([&](const Target& t) { return functions<T>(t).dense_db(args, t); });
    });
}

void activation_dx(const py::object& dy, const py::object& y, const py::object& out,
                   const std::string& activation, const py::object& num_threads) {
    Call call("activation_dx", num_threads);
    const Array& dy_in = call.input(dy, "dy", Alias::exact);
    const Array& y_in = call.input(y, "y", Alias::exact);
    const Array& out_in = call.output(out, "out");
    for (const Array* array : {&dy_in, &y_in, &out_in}) require(*array);
    const Activation f = activation_in(activation);
    visit_float(call.dtype(), [&]<class T>() {
        ActivationDxArgs<T> args;
        args.dy = matrix<T>(dy_in, -1, -1);
        args.y = matrix<T>(y_in, args.dy.rows, args.dy.cols);
        args.activation = f;
        args.out = output_matrix<T>(out_in, args.dy.rows, args.dy.cols);
        call.check();
        call.run([&](const Target& t) { return functions<T>(t).activation_dx(args, t); });
    });
}

void softmax(const py::object& z, const py::object& out, const py::object& num_threads) {
    Call call("softmax", num_threads);
    const Array& z_in = call.input(z, "z", Alias::exact);
    const Array& out_in = call.output(out, "out");
    require(z_in);
    require(out_in);
    visit_float(call.dtype(), [&]<class T>() {
        SoftmaxArgs<T> args;
        args.z = matrix<T>(z_in, -1, -1);
        args.out = output_matrix<T>(out_in, args.z.rows, args.z.cols);
        call.check();
        call.run([&](const Target& t) { return functions<T>(t).softmax(args, t); });
    });
}

// Labels in GPU memory, copied to where they can be checked; contiguous int64 there.
std::vector<int64_t> labels_from_device(const Array& array, int64_t rows,
                                        [[maybe_unused]] const Target& target) {
    check_array(array, dtype_of<int64_t>, {rows});
    if (rows > 1 && array.strides[0] != 1)
        throw value_error(array.label(), " must be contiguous; got a stride of ", array.strides[0]);
    std::vector<int64_t> labels(static_cast<size_t>(rows));
#ifdef LW_CUDA
    if (rows > 0) {
        const py::gil_scoped_release released;
        cuda_copy_to_host(array.op, labels.data(), array.data, labels.size() * 8, target);
    }
#endif
    return labels;
}

// The labels as int64, each in [0, classes): the kernel indexes with them.
std::vector<int64_t> labels_in(const Array& array, int64_t rows, int64_t classes,
                               const Target& target) {
    std::vector<int64_t> labels = target.device == Device::cuda
                                      ? labels_from_device(array, rows, target)
                                      : int64_vector(array, rows);
    const auto wrong = std::find_if(labels.begin(), labels.end(),
                                    [=](int64_t label) { return label < 0 || label >= classes; });
    if (wrong != labels.end())
        throw value_error(array.label(), " must be in [0, ", classes, "); labels[",
                          wrong - labels.begin(), "] is ", *wrong);
    return labels;
}

void softmax_cross_entropy(const py::object& z, const py::object& labels, const py::object& weight,
                           const py::object& loss, const py::object& dz,
                           const py::object& num_threads) {
    Call call("softmax_cross_entropy", num_threads);
    const Array& z_in = call.input(z, "z", Alias::exact);
    const Array& labels_array = call.other(labels, "labels");
    const Array& weight_in = call.input(weight, "weight");
    const Array& loss_in = call.output(loss, "loss");
    const Array& dz_in = call.output(dz, "dz");
    for (const Array* array : {&z_in, &labels_array, &loss_in, &dz_in}) require(*array);
    visit_float(call.dtype(), [&]<class T>() {
        SoftmaxCrossEntropyArgs<T> args;
        args.z = matrix<T>(z_in, -1, -1);
        args.weight = vector<T>(weight_in, args.z.rows);
        args.loss = output_vector<T>(loss_in, args.z.rows);
        args.dz = output_matrix<T>(dz_in, args.z.rows, args.z.cols);
        call.check();  // before the labels are read: they may lie on another device
        const std::vector<int64_t> classes =
            labels_in(labels_array, args.z.rows, args.z.cols, call.target());
        args.labels = {classes.data(), args.z.rows, 1};
        if (call.target().device == Device::cuda)
            args.labels.data = static_cast<const int64_t*>(labels_array.data);
        call.run([&](const Target& t) { return functions<T>(t).softmax_cross_entropy(args, t); });
    });
}

struct DropoutRandom {
    py::object seed, step, layer, rows;
};

void dropout(const py::object& x, const py::object& out, double rate, const DropoutRandom& random,
             const py::object& num_threads) {
    const char* op = "dropout";
    Call call(op, num_threads);
    const Array& x_in = call.input(x, "x", Alias::exact);
    const Array& out_in = call.output(out, "out");
    require(x_in);
    require(out_in);
    if (!(rate >= 0 && rate < 1)) throw value_error("dropout: rate must be in [0, 1); got ", rate);
    visit_float(call.dtype(), [&]<class T>() {
        DropoutArgs<T> args;
        args.x = matrix<T>(x_in, -1, -1);
        args.rate = rate;
        args.out = output_matrix<T>(out_in, args.x.rows, args.x.cols);
        const RowIds ids = row_ids_in(call, random.rows, op, "rows", args.x.rows);
        const auto layer = static_cast<uint32_t>(integer(random.layer, op, "layer", 0, 0xffff));
        args.random = {.seed = seed_in(random.seed, op),
                       .step = counter_word(random.step, op, "step"),
                       .purpose = uint32_t{purpose_dropout} << 16 | layer,
                       .first_row = ids.first,
                       .row_ids = ids.ids};
        call.check();
        call.run([&](const Target& t) { return functions<T>(t).dropout(args, t); });
    });
}

// Axes of three arrays of one shape, without those of size 1, from the largest stride of w to the
// smallest; neighbours that are laid out as one in all three arrays are one.
struct Axis {
    int64_t size;
    int64_t strides[3];
};

std::vector<Axis> merged_axes(const Array& w, const Array& velocity, const Array& dw) {
    std::vector<Axis> axes, merged;
    for (int i = 0; i < w.rank(); ++i)
        if (w.shape[i] != 1)
            axes.push_back({w.shape[i], {w.strides[i], velocity.strides[i], dw.strides[i]}});
    std::stable_sort(axes.begin(), axes.end(), [](const Axis& x, const Axis& y) {
        return std::llabs(x.strides[0]) > std::llabs(y.strides[0]);
    });
    for (const Axis& axis : axes) {
        const bool joins =
            !merged.empty() &&
            std::equal(axis.strides, axis.strides + 3, merged.back().strides,
                       [&](int64_t inner, int64_t outer) { return outer == inner * axis.size; });
        if (joins) {
            merged.back() = {merged.back().size * axis.size,
                             {axis.strides[0], axis.strides[1], axis.strides[2]}};
        } else {
            merged.push_back(axis);
        }
    }
    return merged;
}

// The kernel over the last two axes, for every index of the axes before them.
template <class T>
Status sgd_over_axes(const std::vector<Axis>& axes, size_t axis, SgdMomentumArgs<T> args,
                     const Target& target) {
    const Axis one{1, {0, 0, 0}};
    if (axes.size() - axis <= 2) {
        const Axis& cols = axes.empty() ? one : axes.back();
        const Axis& rows = axes.size() - axis == 2 ? axes[axis] : one;
        args.w = {args.w.data, rows.size, cols.size, rows.strides[0], cols.strides[0]};
        args.velocity = {args.velocity.data, rows.size, cols.size, rows.strides[1],
                         cols.strides[1]};
        args.dw = {args.dw.data, rows.size, cols.size, rows.strides[2], cols.strides[2]};
        return functions<T>(target).sgd_momentum(args, target);
    }
    for (int64_t i = 0; i < axes[axis].size; ++i) {
        const Status status = sgd_over_axes(axes, axis + 1, args, target);
        if (status != Status::ok) return status;
        args.w.data += axes[axis].strides[0];
        args.velocity.data += axes[axis].strides[1];
        args.dw.data += axes[axis].strides[2];
    }
    return Status::ok;
}

void sgd_momentum(const py::object& w, const py::object& velocity, const py::object& dw,
                  double rate, double momentum, double weight_decay,
                  const py::object& num_threads) {
    const Momentum<double> rule{rate, momentum, weight_decay};
    Call call("sgd_momentum", num_threads);
    const Array& w_in = call.output(w, "w");
    const Array& velocity_in = call.output(velocity, "velocity");
    const Array& dw_in = call.input(dw, "dw");
    for (const Array* array : {&w_in, &velocity_in, &dw_in}) {
        require(*array);
        if (array->shape != w_in.shape)
            throw value_error(array->label(), " must have the shape of w, ", to_string(w_in.shape),
                              "; got ", to_string(array->shape));
    }
    const std::vector<Axis> axes = merged_axes(w_in, velocity_in, dw_in);
    visit_float(call.dtype(), [&]<class T>() {
        SgdMomentumArgs<T> args;
        args.w.data = static_cast<T*>(w_in.data);
        args.velocity.data = static_cast<T*>(velocity_in.data);
        args.dw.data = static_cast<const T*>(dw_in.data);
        args.rule = converted<T>(rule);
        call.check();
        call.run([&](const Target& t) { return sgd_over_axes(axes, 0, args, t); });
    });
}

}  // namespace

void init_dense(py::module_& m) {
    register_family("dense", {"dense_db", "activation_dx", "softmax", "softmax_cross_entropy",
                              "dropout", "sgd_momentum"});
    const auto threads = py::arg("num_threads") = py::none();
    m.def("dense_db", dense_db, py::arg("dz"), py::arg("out"), py::arg("alpha") = 1.0, threads);
    m.def("activation_dx", activation_dx, py::arg("dy"), py::arg("y"), py::arg("out"),
          py::arg("activation"), threads);
    m.def("softmax", softmax, py::arg("z"), py::arg("out"), threads);
    m.def("softmax_cross_entropy", softmax_cross_entropy, py::arg("z"), py::arg("labels"),
          py::arg("weight"), py::arg("loss"), py::arg("dz"), threads);
    m.def(
        "dropout",
        [](const py::object& x, const py::object& out, double rate, const py::object& seed,
           const py::object& step, const py::object& layer, const py::object& rows,
           const py::object& num_threads) {
            dropout(x, out, rate, {seed, step, layer, rows}, num_threads);
        },
        py::arg("x"), py::arg("out"), py::arg("rate"), py::arg("seed") = 0, py::arg("step") = 0,
        py::arg("layer") = 0, py::arg("rows") = 0, threads);
    m.def("sgd_momentum", sgd_momentum, py::arg("w"), py::arg("velocity"), py::arg("dw"),
          py::arg("rate"), py::arg("momentum") = 0.0, py::arg("weight_decay") = 0.0, threads);
}

}  // namespace layerwise
