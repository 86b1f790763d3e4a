#include "core/signature.h"

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include <cstdint>
#include <string>
#include <vector>

namespace py = pybind11;

namespace layerwise {
namespace {

struct Argument {
    std::vector<py::str> axes;
    bool arrays, bits;  // are they plain arguments here?
    bool any_shape, optional;
};

class Signature {
public:
    Signature(const py::sequence& operands, py::object array, py::object bit_matrix)
        : array_(std::move(array)), bit_matrix_(std::move(bit_matrix)) {
        for (const py::handle operand : operands) {
            const auto fields = operand.cast<py::tuple>();
            const auto kind = fields[1].cast<std::string>();
            Argument argument{};
            for (const py::handle axis : fields[0]) argument.axes.push_back(interned(axis));
            argument.arrays = kind.empty() || kind == "*" || kind == "csc";
            argument.bits = kind == "*" || kind == "bits";
            argument.any_shape =
                argument.axes.size() == 1 && argument.axes[0].cast<std::string>() == "...";
            argument.optional = fields[2].cast<bool>();
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
        return py::make_tuple(sizes, dtype == NPY_DOUBLE ? "float64" : "float32");
    }

private:
    static py::str interned(py::handle text) {
        PyObject* name = py::str(text).release().ptr();
        PyUnicode_InternInPlace(&name);
        return py::reinterpret_steal<py::str>(name);
    }

    bool is_array(py::handle x) const {
        return reinterpret_cast<PyObject*>(Py_TYPE(x.ptr())) == array_.ptr();
    }

    bool match(const Argument& argument, py::handle x, const py::dict& sizes, int& dtype) const {
        static const py::str words = interned(py::str("words")), cols = interned(py::str("cols"));
        if (argument.bits && reinterpret_cast<PyObject*>(Py_TYPE(x.ptr())) == bit_matrix_.ptr()) {
            const py::object packed = x.attr(words), columns = x.attr(cols);
            if (!is_array(packed)) return false;
            const auto* array = reinterpret_cast<const PyArrayObject*>(packed.ptr());
            const int64_t shape[] = {PyArray_DIM(array, 0), PyLong_AsLongLong(columns.ptr())};
            return match_shape(argument, shape, 2, sizes);
        }
        if (!argument.arrays || !is_array(x)) return false;
        const auto* array = reinterpret_cast<const PyArrayObject*>(x.ptr());
        const int type = PyArray_TYPE(array);
        if (type != NPY_FLOAT && type != NPY_DOUBLE) return false;
        if (!PyArray_ISALIGNED(array) || !PyArray_ISNOTSWAPPED(array)) return false;
        if (dtype >= 0 && dtype != type) return false;
        dtype = type;
        return match_shape(argument, PyArray_DIMS(array), PyArray_NDIM(array), sizes);
    }

    // Enters the sizes of axes that are new; do the others agree?
    template <class Size>
    static bool match_shape(const Argument& argument, const Size* shape, int rank,
                            const py::dict& sizes) {
        if (argument.any_shape) {
            py::tuple whole(rank);
            for (int i = 0; i < rank; ++i) whole[i] = py::int_(static_cast<int64_t>(shape[i]));
            return match_size(argument.axes[0], whole, sizes);
        }
        if (static_cast<size_t>(rank) != argument.axes.size()) return false;
        for (int i = 0; i < rank; ++i)
            if (!match_size(argument.axes[i], py::int_(static_cast<int64_t>(shape[i])), sizes))
                return false;
        return true;
    }

    static bool match_size(const py::str& axis, const py::object& size, const py::dict& sizes) {
        PyObject* const known = PyDict_SetDefault(sizes.ptr(), axis.ptr(), size.ptr());
        if (known == nullptr) throw py::error_already_set();
        return size.equal(py::handle(known));
    }

    py::object array_, bit_matrix_;
    std::vector<Argument> arguments_;
};

}  // namespace

void init_signature(py::module_& m) {
    py::class_<Signature>(m, "Signature", py::module_local())
        .def(py::init<const py::sequence&, py::object, py::object>(), py::arg("operands"),
             py::arg("array"), py::arg("bit_matrix"))
        .def("match", py::overload_cast<const py::tuple&>(&Signature::match, py::const_),
             py::arg("values"));
}

}  // namespace layerwise
