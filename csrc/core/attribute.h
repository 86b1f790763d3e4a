// Attributes of Python objects that may be absent.
#pragma once

#include <pybind11/gil_safe_call_once.h>
#include <pybind11/pybind11.h>

#include <utility>

namespace layerwise {

// Unlike pybind11's getattr and hasattr, these let Ctrl-C through, which may come while a property
// is computed. An attribute that cannot be had for another reason counts as absent.
inline pybind11::object attribute_or(pybind11::handle object, pybind11::handle name,
                                     pybind11::object fallback) {
    PyObject* const found = PyObject_GetAttr(object.ptr(), name.ptr());
    if (found != nullptr) return pybind11::reinterpret_steal<pybind11::object>(found);
    if (PyErr_ExceptionMatches(PyExc_Exception) == 0) throw pybind11::error_already_set();
    PyErr_Clear();
    return fallback;
}

inline pybind11::object attribute_or(pybind11::handle object, const char* name,
                                     pybind11::object fallback) {
    return attribute_or(object, pybind11::str(name), std::move(fallback));
}

// An attribute that is missing costs a microsecond: arrays of NumPy are not asked for what other
// matrices have.
inline bool is_ndarray(pybind11::handle object) {
    PYBIND11_CONSTINIT static pybind11::gil_safe_call_once_and_store<pybind11::object> type;
    type.call_once_and_store_result(
        [] { return pybind11::module_::import("numpy").attr("ndarray").cast<pybind11::object>(); });
    return reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())) == type.get_stored().ptr();
}

inline bool has_attribute(pybind11::handle object, const char* name) {
    return static_cast<bool>(attribute_or(object, name, pybind11::object()));
}

}  // namespace layerwise
