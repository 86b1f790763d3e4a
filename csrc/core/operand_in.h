// OperandIn: a read-only matrix argument in any encoding, checked so that no kernel can be led
// outside its memory by a wrong index, pointer or padding bit.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

#include "core/array.h"
#include "core/matrix.h"

namespace layerwise {

// A bit-packed matrix argument (an object with `words` and `shape`); None gives one not `given`.
struct BitsIn {
    Array words;  // (rows, ceil(cols / 64)) uint64, each row contiguous
    int64_t rows = 0, cols = 0;

    explicit operator bool() const { return words.given; }
    template <class Word>
    BitMatrix<Word> view() const {
        if (!words) return {};
        return {static_cast<Word*>(words.data), rows, cols, words.strides[0]};
    }
};

BitsIn bits_in(pybind11::handle object, const char* op, const char* name);

struct OperandIn {
    Encoding encoding = Encoding::dense;
    int64_t rows = 0, cols = 0;
    bool given = false;
    Array dense;    // encoding dense: 2-D, float
    BitsIn bits;    // encoding bits
    Array values;   // encoding csr; not given: all ones
    Array indices;  // encoding csr: what the caller owns
    std::vector<int64_t> indptr;
    std::vector<int32_t> narrowed;  // copy of indices where these are no contiguous int32
    const int32_t* index_data = nullptr;

    explicit operator bool() const { return given; }

    // The typed view; dtypes were checked by Call::dtype().
    template <class T>
    Operand<T> view() const {
        Operand<T> operand;
        operand.encoding = encoding;
        if (!given) return operand;
        if (encoding == Encoding::dense)
            operand.dense = {static_cast<const T*>(dense.data), rows, cols, dense.strides[0],
                             dense.strides[1]};
        else if (encoding == Encoding::bits)
            operand.bits = bits.view<const uint64_t>();
        else
            operand.csr = {indptr.data(), index_data, static_cast<const T*>(values.data), rows,
                           cols};
        return operand;
    }
};

// An array, an object with words and shape (BitMatrix), or one with indptr, indices, data and shape
// (CSR; data None: all ones).
OperandIn operand_in(pybind11::handle object, const char* op, const char* name);

// A 1-D int32 or int64 array of this size as int64: labels.
std::vector<int64_t> int64_vector(const Array& array, int64_t size);

}  // namespace layerwise
