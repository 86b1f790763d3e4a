// operand_in and bits_in: arrays, packed bits and CSR, with the checks that guard memory.
#include "core/operand_in.h"

#include <limits>
#include <string>

#include "core/attribute.h"
#include "core/errors.h"
#include "core/numpy_array.h"

namespace py = pybind11;

namespace layerwise {
namespace {

void read_shape(py::handle object, const char* op, const char* name, int64_t& rows, int64_t& cols) {
    const py::object shape = attribute_or(object, "shape", py::none());
    if (!py::isinstance<py::tuple>(shape) || py::len(shape) != 2)
        throw value_error(op, ": ", name, " must have a shape of two sizes; got ",
                          py::repr(shape).cast<std::string>());
    const auto sizes = shape.cast<py::tuple>();
    rows = sizes[0].cast<int64_t>();
    cols = sizes[1].cast<int64_t>();
    if (rows < 0 || cols < 0)
        throw value_error(op, ": ", name, " must have a shape of sizes >= 0; got (", rows, ", ",
                          cols, ")");
}

// Set padding bits would be read as columns that do not exist.
void check_padding(const BitsIn& bits, const char* op, const char* name) {
    if (bits.cols % 64 == 0) return;
    const uint64_t padding = ~uint64_t{0} << (bits.cols % 64);
    const auto* last = static_cast<const uint64_t*>(bits.words.data) + bits.cols / 64;
    uint64_t seen = 0;
    for (int64_t row = 0; row < bits.rows; ++row) seen |= last[row * bits.words.strides[0]];
    if ((seen & padding) != 0)
        throw value_error(op, ": ", name,
                          " must have zero padding bits; got words with bits set at ",
                          "columns >= ", bits.cols);
}

template <class Index, class From>
void copy_indices(const Array& array, int64_t count, std::vector<Index>& out) {
    const auto* data = static_cast<const From*>(array.data);
    out.resize(static_cast<size_t>(count));
    for (size_t i = 0; i < out.size(); ++i) {
        const From value = data[static_cast<int64_t>(i) * array.strides[0]];
        // Out of Index's range means out of the matrix too: -1 fails the checks that follow.
        const bool fits = value >= 0 && value <= std::numeric_limits<Index>::max();
        out[i] = fits ? static_cast<Index>(value) : Index{-1};
    }
}

void check_vector(const Array& array) {
    if (array.rank() != 1)
        throw value_error(array.label(), " must be 1-D; got shape ", to_string(array.shape));
}

// The first `count` of a 1-D index array, which may be a view of far more than memory holds.
template <class Index>
void read_indices(const Array& array, int64_t count, std::vector<Index>& out) {
    if (array.device != Device::cpu)
        throw type_error(array.label(), " must be in CPU memory; got a CUDA array");
    if (array.dtype == dtype_of<int32_t>)
        copy_indices<Index, int32_t>(array, count, out);
    else if (array.dtype == dtype_of<int64_t>)
        copy_indices<Index, int64_t>(array, count, out);
    else
        throw type_error(array.label(), " must be int32 or int64; got ", to_string(array.dtype));
}

void read_indptr(OperandIn& csr, const Array& array) {
    check_vector(array);
    if (array.shape[0] - 1 != csr.rows)
        throw value_error(array.label(), " must have rows + 1 = ", uint64_t(csr.rows) + 1,
                          " row pointers; got ", array.shape[0]);
    read_indices(array, array.shape[0], csr.indptr);
}

void check_indptr(const OperandIn& csr, const char* op, const char* name) {
    const auto rows = static_cast<size_t>(csr.rows);
    const int64_t stored = csr.indices.shape[0];
    bool ascending = csr.indptr[0] == 0 && csr.indptr[rows] <= stored;
    for (size_t row = 0; row < rows; ++row) ascending &= csr.indptr[row] <= csr.indptr[row + 1];
    if (!ascending)
        throw value_error(op, ": ", name,
                          " must have row pointers that start at 0, never fall and stay",
                          " within its ", stored, " indices");
}

void check_columns(const OperandIn& csr, const char* op, const char* name) {
    bool valid = true;
    for (size_t row = 0; row < static_cast<size_t>(csr.rows); ++row) {
        int64_t previous = -1;
        for (int64_t i = csr.indptr[row]; i < csr.indptr[row + 1]; ++i) {
            valid &= csr.index_data[i] > previous;
            previous = csr.index_data[i];
        }
        valid &= previous < csr.cols;
    }
    if (!valid)
        throw value_error(
            op, ": ", name, " must have column indices strictly ascending within each row",
            " and in [0, ", csr.cols, "); call sum_duplicates() (it sorts), got others");
}

void read_values(OperandIn& csr) {
    if (!csr.values) return;
    if (csr.values.rank() != 1 || csr.values.shape[0] < csr.indptr.back())
        throw value_error(csr.values.label(), " must be 1-D with a value for each of ",
                          csr.indptr.back(), " indices; got shape ", to_string(csr.values.shape));
    if (csr.values.shape[0] > 1 && csr.values.strides[0] != 1)
        throw value_error(csr.values.label(), " must be contiguous; got a stride of ",
                          csr.values.strides[0], " elements");
}

void read_csr(OperandIn& csr, py::handle object, const char* op, const char* name) {
    const py::object format = attribute_or(object, "format", py::str("csr"));
    if (!format.equal(py::str("csr")))
        throw type_error(op, ": ", name, " must be a CSR matrix where it is sparse; got format '",
                         py::str(format).cast<std::string>(), "': use .tocsr()");
    csr.encoding = Encoding::csr;
    read_shape(object, op, name, csr.rows, csr.cols);
    if (csr.cols > std::numeric_limits<int32_t>::max())
        throw value_error(op, ": ", name,
                          " must have at most 2^31 - 1 columns where it is CSR; got ", csr.cols);
    read_indptr(csr, array_in(object.attr("indptr"), op, name));
    csr.indices = array_in(object.attr("indices"), op, name);
    check_vector(csr.indices);
    check_indptr(csr, op, name);
    const bool in_place = csr.indices.device == Device::cpu &&
                          csr.indices.dtype == dtype_of<int32_t> &&
                          (csr.indices.shape[0] <= 1 || csr.indices.strides[0] == 1);
    if (!in_place) read_indices<int32_t>(csr.indices, csr.indptr.back(), csr.narrowed);
    csr.index_data = in_place ? static_cast<const int32_t*>(csr.indices.data) : csr.narrowed.data();
    csr.values = array_in(object.attr("data"), op, name);
    check_columns(csr, op, name);
    read_values(csr);
}

// `object` has `words_object`.
BitsIn read_bits(py::handle object, py::handle words_object, const char* op, const char* name) {
    BitsIn bits;
    bits.words = array_in(words_object, op, name);
    read_shape(object, op, name, bits.rows, bits.cols);
    const Array& words = bits.words;
    // torch on a GPU has no uint64 to speak of: the same bits as int64.
    const bool as_signed = words.device == Device::cuda && words.dtype == dtype_of<int64_t>;
    if (words.dtype != dtype_of<uint64_t> && !as_signed)
        throw type_error(op, ": ", name, " must have uint64 words; got ", to_string(words.dtype));
    const int64_t width = bits.cols / 64 + (bits.cols % 64 != 0);
    if (words.shape != Sizes{bits.rows, width})
        throw value_error(op, ": ", name, " of shape (", bits.rows, ", ", bits.cols,
                          ") must have words of shape (", bits.rows, ", ", width, "); got ",
                          to_string(words.shape));
    if (width > 1 && bits.rows > 0 && words.strides[1] != 1)
        throw value_error(op, ": ", name,
                          " must have contiguous words within a row; got a stride of ",
                          words.strides[1]);
    if (words.device == Device::cpu) check_padding(bits, op, name);
    return bits;
}

}  // namespace

BitsIn bits_in(py::handle object, const char* op, const char* name) {
    if (object.is_none()) return {};
    const py::object words = attribute_or(object, "words", py::object());
    if (!words)
        throw type_error(op, ": ", name, " must be a BitMatrix (words and shape); got ",
                         Py_TYPE(object.ptr())->tp_name);
    return read_bits(object, words, op, name);
}

std::vector<int64_t> int64_vector(const Array& array, int64_t size) {
    check_vector(array);
    if (array.shape[0] != size)
        throw value_error(array.label(), " must have shape (", size, ",); got ",
                          to_string(array.shape));
    std::vector<int64_t> out;
    read_indices(array, size, out);
    return out;
}

OperandIn operand_in(py::handle object, const char* op, const char* name) {
    OperandIn operand;
    if (object.is_none()) return operand;
    operand.given = true;
    // An attribute that is missing costs a microsecond: a plain array is not asked for any.
    const bool plain = plain_ndarray(object) != nullptr;
    const py::object words = plain ? py::object() : attribute_or(object, "words", py::object());
    if (words) {
        operand.encoding = Encoding::bits;
        operand.bits = read_bits(object, words, op, name);
        operand.rows = operand.bits.rows;
        operand.cols = operand.bits.cols;
    } else if (!plain && has_attribute(object, "indptr")) {
        read_csr(operand, object, op, name);
    } else {
        operand.dense = array_in(object, op, name);
        if (operand.dense.rank() != 2)
            throw value_error(operand.dense.label(), " must be 2-D; got shape ",
                              to_string(operand.dense.shape));
        operand.rows = operand.dense.shape[0];
        operand.cols = operand.dense.shape[1];
    }
    return operand;
}

}  // namespace layerwise
