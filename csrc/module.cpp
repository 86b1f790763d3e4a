// The extension module layerwise._core: one line a family.
#include <pybind11/pybind11.h>

#include "core/errors.h"
#include "core/module.h"

namespace py = pybind11;

namespace layerwise {

void init_gemm(py::module_& m);
void init_gibbs(py::module_& m);
void init_dense(py::module_& m);
void init_lasso(py::module_& m);

namespace {

void translate(std::exception_ptr pending) {
    try {
        if (pending) std::rethrow_exception(pending);
    } catch (const Error& error) {
        PyObject* const types[] = {PyExc_ValueError, PyExc_TypeError, PyExc_MemoryError,
                                   PyExc_RuntimeError};
        PyErr_SetString(types[static_cast<int>(error.kind())], error.what());
    }
}

}  // namespace
}  // namespace layerwise

PYBIND11_MODULE(_core, m) {
    m.doc() = "Compiled kernels of layerwise. Private: call layerwise.ops instead.";
    py::register_local_exception_translator(&layerwise::translate);
    layerwise::init_core(m);
    layerwise::init_gemm(m);
    layerwise::init_gibbs(m);
    layerwise::init_dense(m);
    layerwise::init_lasso(m);
}
