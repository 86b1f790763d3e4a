// Attributes of Python objects that may be absent.
#pragma once

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

inline bool has_attribute(pybind11::handle object, const char* name) {
    return static_cast<bool>(attribute_or(object, name, pybind11::object()));
}

}  // namespace layerwise
