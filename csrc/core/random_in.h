// The arguments of a random stream, as the bindings of sampling kernels take them.
#pragma once

#include <cstdint>

#include "core/attribute.h"
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
    const auto is_array = [&] {
        return has_attribute(object, "__array_interface__") ||
               has_attribute(object, "__cuda_array_interface__");
    };
    if (PyLong_CheckExact(object.ptr()) || (PyIndex_Check(object.ptr()) != 0 && !is_array())) {
        out.first = counter_word(object, op, name);
        if (rows > (int64_t{1} << 32) - out.first)
            throw value_error(op, ": ", name, " must leave ", rows,
                              " ids below 2^32; got a first id of ", out.first);
        return out;
    }
    const Array& array = call.other(object, name);
    if (!array)
        throw type_error(op, ": ", name, " must be an int or an array of one id a row; got None");
    // torch on a GPU has no uint32 to speak of: the same bits as int32.
    const bool as_signed = array.device == Device::cuda && array.dtype == dtype_of<int32_t>;
    check_array(array, as_signed ? dtype_of<int32_t> : dtype_of<uint32_t>, {rows});
    if (rows > 1 && array.strides[0] != 1)
        throw value_error(op, ": ", name, " must be contiguous; got a stride of ",
                          array.strides[0]);
    out.ids = static_cast<const uint32_t*>(array.data);
    return out;
}

}  // namespace layerwise
