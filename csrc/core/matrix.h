// Typed views that kernels take. Plain structs without member functions: an ISA object that
// includes this header emits no symbol that another object could pick up.
#pragma once

#include <cstdint>

namespace layerwise {

// rows x cols; strides in elements, of any sign or zero.
template <class T>
struct Matrix {
    T* data = nullptr;
    int64_t rows = 0, cols = 0;
    int64_t row_stride = 0, col_stride = 0;
};

template <class T>
struct Vector {
    T* data = nullptr;
    int64_t size = 0;
    int64_t stride = 0;
};

enum class Encoding : uint8_t { dense, bits, csr };

// Bit-packed 0/1 matrix: bit j % 64 of word j / 64 of a row is element j; padding bits are zero.
template <class Word>
struct BitMatrix {
    Word* words = nullptr;
    int64_t rows = 0, cols = 0;
    int64_t row_stride = 0;  // in words
};

// Compressed sparse rows with columns ascending and unique within a row; values null means all
// ones.
template <class T>
struct CsrMatrix {
    const int64_t* indptr = nullptr;
    const int32_t* indices = nullptr;
    const T* values = nullptr;
    int64_t rows = 0, cols = 0;
};

// A read-only matrix in one of three encodings.
template <class T>
struct Operand {
    Encoding encoding = Encoding::dense;
    Matrix<const T> dense;
    BitMatrix<const uint64_t> bits;
    CsrMatrix<T> csr;
};

}  // namespace layerwise
