// Arrays of NumPy, read through its C structs: the dict of its array interface takes 5 us.
#pragma once

#include <pybind11/gil_safe_call_once.h>
#include <pybind11/pybind11.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

namespace layerwise {

inline PyTypeObject* ndarray_type() {
    PYBIND11_CONSTINIT static pybind11::gil_safe_call_once_and_store<pybind11::object> type;
    type.call_once_and_store_result(
        [] { return pybind11::module_::import("numpy").attr("ndarray").cast<pybind11::object>(); });
    return reinterpret_cast<PyTypeObject*>(type.get_stored().ptr());
}

// An ndarray, not one of a class that makes something else of it; null where it is none.
inline PyArrayObject* plain_ndarray(pybind11::handle object) {
    if (Py_TYPE(object.ptr()) != ndarray_type()) return nullptr;
    return reinterpret_cast<PyArrayObject*>(object.ptr());
}

inline PyArrayObject* any_ndarray(pybind11::handle object) {
    if (PyObject_TypeCheck(object.ptr(), ndarray_type()) == 0) return nullptr;
    return reinterpret_cast<PyArrayObject*>(object.ptr());
}

}  // namespace layerwise
