// The arguments of a random stream, as the bindings of sampling kernels take them.
#pragma once

#include <cstdint>

#include "core/call.h"

namespace layerwise {

// Global row ids of `rows` rows: one id that row 0 has, or a uint32 array of one id a row.
struct RowIds {
    uint32_t first = 0;
    const uint32_t* ids = nullptr;
};

inline RowIds row_ids_in(Call& call, pybind11::handle object, const char* op, const char* name,
                         int64_t rows) {
    RowIds out;
    if (PyIndex_Check(object.ptr()) != 0 && !pybind11::hasattr(object, "__array_interface__")) {
        out.first = counter_word(object, op, name);
        if (rows > (int64_t{1} << 32) - out.first)
            throw value_error(op, ": ", name, " must leave ", rows,
                              " ids below 2^32; got a first id of ", out.first);
        return out;
    }
    const Array& array = call.other(object, name);
    const Vector<const uint32_t> ids = vector<uint32_t>(array, rows);
    if (ids.size > 1 && ids.stride != 1)
        throw value_error(op, ": ", name, " must be contiguous; got a stride of ", ids.stride);
    out.ids = ids.data;
    return out;
}

}  // namespace layerwise
