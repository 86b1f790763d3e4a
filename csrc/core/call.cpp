// Call and the argument checks that every binding shares.
#include "core/call.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <span>

#include "core/isa.h"
#include "core/module.h"
#include "core/threads.h"

namespace py = pybind11;

namespace layerwise {
namespace {

constexpr size_t workspace_alignment = 64;
constexpr int64_t poll_interval_ns = 50'000'000;

int64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

std::string expected_shape(std::initializer_list<int64_t> shape) {
    std::string text = "(";
    for (const int64_t size : shape)
        text +=
            (text.size() > 1 ? ", " : "") + (size < 0 ? std::string("any") : std::to_string(size));
    return text + (shape.size() == 1 ? ",)" : ")");
}

// "gemm_cuda.cu:12" of ".../csrc/gemm/gemm_cuda.cu:12".
std::string file_name(const std::string& place) { return place.substr(place.rfind('/') + 1); }

bool is_float(DType dtype) { return dtype == dtype_of<float> || dtype == dtype_of<double>; }

// First and one-past-last byte of the elements; begin == end where there are none.
struct Extent {
    intptr_t begin, end;
};

Extent extent_of(const Array& array) {
    const auto address = reinterpret_cast<intptr_t>(array.data);
    Extent extent{address, address + array.dtype.bytes};
    for (int i = 0; i < array.rank(); ++i) {
        if (array.shape[i] == 0) return {address, address};
        const int64_t span = (array.shape[i] - 1) * array.strides[i] * array.dtype.bytes;
        (span < 0 ? extent.begin : extent.end) += span;
    }
    return extent;
}

// Columns of one buffer: rows at the same distance, the row spans apart modulo that distance.
bool interleaved(const Array& x, const Array& y) {
    if (x.rank() != 2 || y.rank() != 2) return false;
    const int64_t pitch = x.strides[0] * x.dtype.bytes;
    if (pitch <= 0 || pitch != y.strides[0] * y.dtype.bytes) return false;
    if (x.strides[1] < 0 || y.strides[1] < 0) return false;
    const int64_t x_width = ((x.shape[1] - 1) * x.strides[1] + 1) * x.dtype.bytes;
    const int64_t y_width = ((y.shape[1] - 1) * y.strides[1] + 1) * y.dtype.bytes;
    const int64_t ahead = reinterpret_cast<intptr_t>(y.data) - reinterpret_cast<intptr_t>(x.data);
    const int64_t offset = ((ahead % pitch) + pitch) % pitch;
    return offset >= x_width && offset + y_width <= pitch;
}

bool overlap(const Array& x, const Array& y) {
    const Extent a = extent_of(x), b = extent_of(y);
    if (a.begin == a.end || b.begin == b.end) return false;
    return a.begin < b.end && b.begin < a.end && !interleaved(x, y);
}

bool same_elements(const Array& x, const Array& y) {
    if (x.data != y.data || x.dtype != y.dtype || x.shape != y.shape) return false;
    for (int i = 0; i < x.rank(); ++i)
        if (x.shape[i] > 1 && x.strides[i] != y.strides[i]) return false;
    return true;
}

// True where two indices may name one element: an output must not be written twice.
bool overlaps_itself(const Array& array) {
    std::vector<std::pair<int64_t, int64_t>> dims;  // (stride, size)
    for (int i = 0; i < array.rank(); ++i) {
        if (array.shape[i] == 0) return false;
        if (array.shape[i] > 1) dims.emplace_back(std::llabs(array.strides[i]), array.shape[i]);
    }
    std::sort(dims.begin(), dims.end());
    int64_t reach = 0;
    for (const auto& [stride, size] : dims) {
        if (stride <= reach) return true;
        reach += (size - 1) * stride;
    }
    return false;
}

void check_writable(const Array& array) {
    if (array.readonly)
        throw value_error(array.label(),
                          " must be writable: it receives a result; got a read-only array");
    if (overlaps_itself(array))
        throw value_error(array.label(),
                          " must have distinct elements: it receives a result; got strides ",
                          to_string(array.strides), " for shape ", to_string(array.shape));
}

bool matches(std::span<const int64_t> got, std::initializer_list<int64_t> expected) {
    return std::equal(got.begin(), got.end(), expected.begin(), expected.end(),
                      [](int64_t size, int64_t want) { return want < 0 || want == size; });
}

Error wrong_shape(const std::string& label, std::span<const int64_t> got,
                  std::initializer_list<int64_t> expected) {
    return value_error(label, " must have shape ", expected_shape(expected), "; got ",
                       to_string(Sizes(got.data(), got.size())));
}

void check_matrix(const char* op, const char* name, std::array<int64_t, 2> got,
                  std::initializer_list<int64_t> expected) {
    if (!matches(got, expected)) throw wrong_shape(cat(op, ": ", name), got, expected);
}

}  // namespace

Call::Call(const char* op, py::handle where) : op_(op) {
    entries_.reserve(16);
    target_.poll = &Call::poll;
    target_.poll_context = this;
    if (py::isinstance<py::tuple>(where)) {
        const auto device = where.cast<py::tuple>();
        if (device.size() != 2)
            throw type_error(op, ": num_threads must be an int, None or (device, stream) of CUDA; ",
                             "got a tuple of ", device.size());
        if (!has_kernel(op, Device::cuda))
            throw type_error(op, ": must be given arrays in CPU memory, as it has no CUDA kernel ",
                             "in this build; got CUDA arrays");
        target_.device = Device::cuda;
        target_.isa = cuda_level;
        target_.device_id = static_cast<int>(integer(device[0], op, "device", 0, 1 << 16));
        const int64_t stream =
            integer(device[1], op, "stream", 0, std::numeric_limits<int64_t>::max());
        target_.stream = reinterpret_cast<void*>(stream);
        target_.failure = &failure_;
        return;
    }
    target_.isa = chosen_isa();
    target_.num_threads =
        where.is_none() ? default_num_threads()
                        : static_cast<int>(integer(where, op, "num_threads", 1, max_num_threads));
}

Call::~Call() = default;

void Call::add(const Array& array, bool is_float_role, bool is_output, Alias alias) {
    if (!array) return;
    if (is_float_role && !is_float(array.dtype))
        throw type_error(array.label(), " must be float32 or float64; got ",
                         to_string(array.dtype));
    if (is_output) check_writable(array);
    entries_.push_back({&array, is_float_role, is_output, alias});
}

const Array& Call::keep(Array array, bool is_float_role, bool is_output, Alias alias) {
    static const Array absent{};
    if (!array) return absent;
    arrays_.push_back(std::move(array));
    add(arrays_.back(), is_float_role, is_output, alias);
    return arrays_.back();
}

const Array& Call::input(py::handle object, const char* name, Alias alias) {
    return keep(array_in(object, op_, name), true, false, alias);
}

const Array& Call::output(py::handle object, const char* name) {
    return keep(array_in(object, op_, name), true, true, Alias::none);
}

const Array& Call::other(py::handle object, const char* name) {
    return keep(array_in(object, op_, name), false, false, Alias::none);
}

const Array& Call::other_output(py::handle object, const char* name) {
    return keep(array_in(object, op_, name), false, true, Alias::none);
}

const OperandIn& Call::operand(py::handle object, const char* name) {
    static const OperandIn absent{};
    if (object.is_none()) return absent;
    const OperandIn& operand = operands_.emplace_back(operand_in(object, op_, name));
    add(operand.dense, true, false, Alias::none);
    add(operand.values, true, false, Alias::none);
    add(operand.indices, false, false, Alias::none);
    add(operand.bits.words, false, false, Alias::none);
    return operand;
}

const BitsIn& Call::output_bits(py::handle object, const char* name) {
    static const BitsIn absent{};
    if (object.is_none()) return absent;
    const BitsIn& bits = bits_.emplace_back(bits_in(object, op_, name));
    add(bits.words, false, true, Alias::none);
    return bits;
}

void Call::check() const {
    for (const Entry& entry : entries_) check_device(*entry.array);
    for (size_t i = 0; i < entries_.size(); ++i) {
        for (size_t j = 0; entries_[i].is_output && j < entries_.size(); ++j) {
            const Entry &out = entries_[i], &other = entries_[j];
            if (i == j || (other.is_output && j < i)) continue;
            if (!overlap(*out.array, *other.array)) continue;
            if (other.alias == Alias::exact && same_elements(*out.array, *other.array)) continue;
            throw value_error(
                op_, ": ", out.array->name, " receives a result and must not share memory with ",
                other.array->name,
                other.alias == Alias::exact ? " unless both are the same array; got views that"
                                            : "; got arrays that",
                " overlap");
        }
    }
}

DType Call::dtype() const {
    const Array* first = nullptr;
    for (const Entry& entry : entries_) {
        if (!entry.is_float) continue;
        if (first == nullptr) first = entry.array;
        if (entry.array->dtype != first->dtype)
            throw type_error(op_, ": all float arrays must have one dtype; got ", first->name, " ",
                             to_string(first->dtype), " and ", entry.array->name, " ",
                             to_string(entry.array->dtype));
    }
    if (first == nullptr)
        throw type_error(op_,
                         ": at least one argument must be a float32 or float64 array; got none");
    return first->dtype;
}

size_t Call::publish(size_t needed) { return needed == 0 ? 0 : needed + workspace_alignment - 1; }

Call::Block Call::workspace(py::handle object, size_t needed) {
    const Array& array = keep(array_in(object, op_, "workspace"), false, true, Alias::none);
    if (needed == 0 && !array) return {};
    const size_t least = publish(needed);
    if (!array)
        throw value_error(op_, ": workspace must be a uint8 array of at least ", least,
                          " bytes; got None");
    check_array(array, dtype_of<uint8_t>, {-1});
    if (array.shape[0] > 1 && array.strides[0] != 1)
        throw value_error(array.label(), " must be contiguous; got a stride of ", array.strides[0]);
    const auto address = reinterpret_cast<uintptr_t>(array.data);
    const size_t skip = (workspace_alignment - address % workspace_alignment) % workspace_alignment;
    const auto bytes = static_cast<size_t>(array.shape[0]);
    if (bytes < skip + needed)
        throw value_error(array.label(), " must have at least ", least, " bytes; got ", bytes);
    return {static_cast<char*>(array.data) + skip, bytes - skip};
}

void Call::check_device(const Array& array) const {
    if (target_.device == Device::cpu) {
        if (array.device != Device::cpu)
            throw type_error(array.label(), " must be in CPU memory, where this call of ", op_,
                             " runs; got a CUDA array");
        return;
    }
    const char* wanted = " must be on the CUDA device that this call runs on, ";
    if (array.device != Device::cuda)
        throw type_error(array.label(), wanted, target_.device_id, "; got an array in CPU memory");
#ifdef LW_CUDA
    const bool empty = std::find(array.shape.begin(), array.shape.end(), 0) != array.shape.end();
    const int device_id = empty ? target_.device_id : cuda_device_of(op_, array.data);
    if (device_id != target_.device_id)
        throw type_error(array.label(), wanted, target_.device_id, "; got ",
                         device_id < 0 ? "memory of no device" : cat("device ", device_id));
#endif
}

void Call::enter() {
#ifdef LW_CUDA
    if (target_.device == Device::cuda)
        guard_ = std::make_shared<CudaDeviceGuard>(op_, target_.device_id);
#endif
    release_gil();
}

void Call::leave(Status status) {
    acquire_gil();
    guard_.reset();
    if (status == Status::interrupted) throw py::error_already_set();
    if (status == Status::failed)
        throw runtime_error(op_, ": ", failure_.call, " must succeed (", file_name(failure_.place),
                            "); got CUDA error '", failure_.reason, "'");
}

void Call::release_gil() {
    next_poll_ns_ = now_ns() + poll_interval_ns;
    released_ = PyEval_SaveThread();
}

void Call::acquire_gil() { PyEval_RestoreThread(released_); }

// Keeps its own clock, so that parallel_for may ask after every run of tasks.
bool Call::poll(void* context) {
    auto* call = static_cast<Call*>(context);
    if (now_ns() < call->next_poll_ns_) return false;
    call->acquire_gil();
    const bool raised = PyErr_CheckSignals() != 0;
    call->release_gil();
    return raised;
}

void check_array(const Array& array, DType dtype, std::initializer_list<int64_t> shape) {
    if (!array) return;
    if (array.dtype != dtype)
        throw type_error(array.label(), " must be ", to_string(dtype), "; got ",
                         to_string(array.dtype));
    if (!matches(array.shape, shape)) throw wrong_shape(array.label(), array.shape, shape);
}

void check_operand(const OperandIn& operand, const char* op, const char* name, int64_t rows,
                   int64_t cols) {
    if (operand) check_matrix(op, name, {operand.rows, operand.cols}, {rows, cols});
}

void check_bits(const BitsIn& bits, const char* op, const char* name, int64_t rows, int64_t cols) {
    if (bits) check_matrix(op, name, {bits.rows, bits.cols}, {rows, cols});
}

DType float_dtype(const std::string& name, const char* op) {
    if (name == "float32") return dtype_of<float>;
    if (name == "float64") return dtype_of<double>;
    throw type_error(op, ": dtype must be 'float32' or 'float64'; got '", name, "'");
}

namespace {

py::object index_of(py::handle object, const char* op, const char* name) {
    PyObject* index = PyNumber_Index(object.ptr());
    if (index == nullptr) {
        PyErr_Clear();
        throw type_error(op, ": ", name, " must be an int; got ", Py_TYPE(object.ptr())->tp_name);
    }
    return py::reinterpret_steal<py::object>(index);
}

}  // namespace

int64_t integer(py::handle object, const char* op, const char* name, int64_t low, int64_t high) {
    const py::object index = index_of(object, op, name);
    int overflow = 0;
    const int64_t value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    if (overflow != 0 || value < low || value > high)
        throw value_error(op, ": ", name, " must be in [", low, ", ", high, "]; got ",
                          py::str(index).cast<std::string>());
    return value;
}

uint64_t seed_in(py::handle object, const char* op) {
    const py::object index = index_of(object, op, "seed");
    const uint64_t value = PyLong_AsUnsignedLongLong(index.ptr());
    if (PyErr_Occurred() != nullptr) {
        PyErr_Clear();
        throw value_error(op, ": seed must be in [0, 2^64); got ",
                          py::str(index).cast<std::string>());
    }
    return value;
}

uint32_t counter_word(py::handle object, const char* op, const char* name) {
    return static_cast<uint32_t>(
        integer(object, op, name, 0, std::numeric_limits<uint32_t>::max()));
}

void check_sizes(const char* op, std::initializer_list<NamedSize> sizes, int itemsize) {
    // A factor of 16 is left for what kernels add to a product of two sizes: padding, several
    // copies.
    const double most = static_cast<double>(std::numeric_limits<int64_t>::max()) / 16 / itemsize;
    const auto describe = [&] {
        std::string text;
        for (const NamedSize& entry : sizes)
            text += cat(text.empty() ? "" : ", ", entry.name, " = ", entry.size);
        return text;
    };
    for (const NamedSize& x : sizes) {
        if (x.size < 0) throw value_error(op, ": ", x.name, " must be >= 0; got ", x.size);
        for (const NamedSize& y : sizes)
            if (&x<&y&& static_cast<double>(x.size) * static_cast<double>(y.size)> most)
                throw memory_error(op, ": a matrix of ", x.name, " x ", y.name,
                                   " elements must fit the address space; got ", describe());
    }
}

}  // namespace layerwise
