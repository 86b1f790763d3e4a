#include "core/signature.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/errors.h"
#include "core/numpy_array.h"

namespace py = pybind11;

namespace layerwise {
namespace {

constexpr int most_axes = 8;

struct Argument {
    std::vector<py::str> axes;
    bool floats, integers, bits;  // which are plain arguments here?
    bool any_shape, optional;
};

class Signature {
public:
    Signature(py::object op, const py::sequence& operands, py::object bit_matrix, py::object call)
        : op_(std::move(op)), bit_matrix_(std::move(bit_matrix)), call_(std::move(call)) {
        for (const py::handle operand : operands) {
            if (!py::isinstance<py::tuple>(operand) || py::len(operand) != 3)
                throw type_error("signature: an operand must be (axes, kind, optional); got ",
                                 py::repr(operand).cast<std::string>());
            const auto fields = py::reinterpret_borrow<py::tuple>(operand);
            const auto kind = py::str(fields[1]).cast<std::string>();
            Argument argument{};
            for (const py::handle axis : py::tuple(fields[0]))
                argument.axes.push_back(interned(axis));
            argument.floats = kind.empty() || kind == "*" || kind == "csc";
            argument.integers = kind == "int";
            argument.bits = kind == "*" || kind == "bits";
            argument.any_shape =
                argument.axes.size() == 1 && argument.axes[0].cast<std::string>() == "...";
            argument.optional = fields[2].ptr() == Py_True;
            arguments_.push_back(std::move(argument));
        }
    }

    py::object match(const py::tuple& values) const {
        if (values.size() != arguments_.size()) return py::none();
        py::dict sizes;
        int dtype = -1;
        for (size_t i = 0; i < arguments_.size(); ++i) {
            const py::handle x = values[i];
            if (x.is_none() && arguments_[i].optional) continue;
            if (!match(arguments_[i], x, sizes, dtype)) return py::none();
        }
        static PyObject* const float32 = PyUnicode_InternFromString("float32");
        static PyObject* const float64 = PyUnicode_InternFromString("float64");
        PyObject* const arguments[] = {op_.ptr(), values.ptr(), sizes.ptr(),
                                       dtype == NPY_DOUBLE ? float64 : float32};
        PyObject* const call = PyObject_Vectorcall(call_.ptr(), arguments, 4, nullptr);
        if (call == nullptr) throw py::error_already_set();
        return py::reinterpret_steal<py::object>(call);
    }

private:
    static py::str interned(py::handle text) {
        PyObject* name = py::str(text).release().ptr();
        PyUnicode_InternInPlace(&name);
        return py::reinterpret_steal<py::str>(name);
    }

    static bool is_index(const PyArrayObject* array) {
        const auto size = PyArray_ITEMSIZE(array);
        return PyArray_ISSIGNED(array) && (size == 4 || size == 8);
    }

    // Of the dtype of the floats before it, if there are any.
    static bool is_float(const PyArrayObject* array, int& dtype) {
        const int type = PyArray_TYPE(array);
        if ((type != NPY_FLOAT && type != NPY_DOUBLE) || (dtype >= 0 && dtype != type))
            return false;
        dtype = type;
        return true;
    }

    bool match(const Argument& argument, py::handle x, const py::dict& sizes, int& dtype) const {
        static PyObject* const words = PyUnicode_InternFromString("words");
        static PyObject* const cols = PyUnicode_InternFromString("cols");
        if (argument.bits && reinterpret_cast<PyObject*>(Py_TYPE(x.ptr())) == bit_matrix_.ptr()) {
            const py::object packed = x.attr(py::handle(words)), columns = x.attr(py::handle(cols));
            const PyArrayObject* array = plain_ndarray(packed);
            if (array == nullptr || !py::isinstance<py::int_>(columns)) return false;
            if (PyArray_NDIM(array) != 2) return false;
            const py::object shape[] = {py::int_(static_cast<int64_t>(PyArray_DIM(array, 0))),
                                        columns};
            return match_shape(argument, shape, 2, sizes);
        }
        const PyArrayObject* array = plain_ndarray(x);
        if (!(argument.floats || argument.integers) || array == nullptr) return false;
        if (!PyArray_ISALIGNED(array) || !PyArray_ISNOTSWAPPED(array)) return false;
        if (argument.integers ? !is_index(array) : !is_float(array, dtype)) return false;
        py::object shape[most_axes];
        const int rank = PyArray_NDIM(array);
        if (rank > most_axes) return false;
        for (int i = 0; i < rank; ++i)
            shape[i] = py::int_(static_cast<int64_t>(PyArray_DIM(array, i)));
        return match_shape(argument, shape, rank, sizes);
    }

    // Enters the sizes of axes that are new; do the others agree?
    static bool match_shape(const Argument& argument, const py::object* shape, int rank,
                            const py::dict& sizes) {
        if (argument.any_shape) {
            py::tuple whole(rank);
            for (int i = 0; i < rank; ++i) whole[i] = shape[i];
            return match_size(argument.axes[0], whole, sizes);
        }
        bool agree = static_cast<size_t>(rank) == argument.axes.size();
        for (int i = 0; agree && i < rank; ++i)
            agree = match_size(argument.axes[i], shape[i], sizes);
        return agree;
    }

    static bool match_size(const py::str& axis, const py::object& size, const py::dict& sizes) {
        PyObject* const known = PyDict_SetDefault(sizes.ptr(), axis.ptr(), size.ptr());
        if (known == nullptr) throw py::error_already_set();
        return size.equal(py::handle(known));
    }

    py::object op_, bit_matrix_, call_;
    std::vector<Argument> arguments_;
};

}  // namespace

void init_signature(py::module_& m) {
    m.def(
        "signature",
        [](py::object op, const py::sequence& operands, py::object bit_matrix, py::object call) {
            const auto signature = std::make_shared<Signature>(
                std::move(op), operands, std::move(bit_matrix), std::move(call));
            return py::cpp_function(
                [signature](const py::tuple& values) { return signature->match(values); });
        },
        py::arg("op"), py::arg("operands"), py::arg("bit_matrix"), py::arg("call"));
}

}  // namespace layerwise
