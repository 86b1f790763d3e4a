// The array arguments of an op in the plain case: NumPy's own arrays and BitMatrix in host memory.
#pragma once

#include <pybind11/pybind11.h>

namespace layerwise {

// layerwise._core.signature(op, operands, bit_matrix, call): operands of (axes, kind, optional) as
// in ops/_signature.py, the type of packed matrices. It gives a function of the values that returns
// call(op, values, size of each axis, float dtype), or None where anything is not plain or not
// right: then Python's own, slower pass finds what it is.
void init_signature(pybind11::module_& m);

}  // namespace layerwise
