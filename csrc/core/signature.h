// The array arguments of an op in the plain case: NumPy's own arrays and BitMatrix in host memory.
#pragma once

#include <pybind11/pybind11.h>

namespace layerwise {

// layerwise._core.Signature(operands, array, bit_matrix): operands of (axes, kind, optional) as in
// ops/_signature.py, the types of arrays and of packed matrices. match(values) gives the size of
// each axis and the float dtype, or None where anything is not plain or not right: then Python's
// own pass, thirty times as slow, finds what it is.
void init_signature(pybind11::module_& m);

}  // namespace layerwise
