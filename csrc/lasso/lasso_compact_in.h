// What the bindings that gather slabs ask of their arrays.
#pragma once

#include "core/call.h"

namespace layerwise {

// Ends that rise from 0 to `total`, the size of what they divide, by at most `most` a row: no
// more than its slab holds. They are read one by one: the slabs, as many, must have been seen.
inline Vector<const int64_t> ends_in(const Array& array, int64_t rows, int64_t total,
                                     int64_t most) {
    check_array(array, dtype_of<int64_t>, {rows + 1});
    const Vector<const int64_t> ends{static_cast<const int64_t*>(array.data), rows + 1,
                                     array.strides[0]};
    bool valid = ends.data[0] == 0 && ends.data[rows * ends.stride] == total;
    for (int64_t i = 0; valid && i < rows; ++i) {
        const int64_t begin = ends.data[i * ends.stride], end = ends.data[(i + 1) * ends.stride];
        valid = begin <= end && end - begin <= most;
    }
    if (!valid)
        throw value_error(array.label(), " must rise from 0 to ", total, " by at most ", most,
                          " a row");
    return ends;
}

template <class T>
Vector<T> contiguous(const Array& array, int64_t size) {
    check_array(array, dtype_of<T>, {size});
    if (array.shape[0] > 1 && array.strides[0] != 1)
        throw value_error(array.label(), " must be contiguous; got a stride of ", array.strides[0]);
    return {static_cast<T*>(array.data), array.shape[0], 1};
}

}  // namespace layerwise
