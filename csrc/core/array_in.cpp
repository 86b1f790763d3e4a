// array_in: arrays of NumPy and the three array protocols, read into an Array.
#include <bit>
#include <cstdlib>
#include <limits>

#include "core/array.h"
#include "core/attribute.h"
#include "core/dlpack.h"
#include "core/errors.h"
#include "core/numpy_array.h"

namespace py = pybind11;

namespace layerwise {
namespace {

constexpr const char* accepted_dtypes = "a bool, integer or real float dtype in native byte order";

Sizes contiguous_strides(const Sizes& shape) {
    Sizes strides(shape.size());
    int64_t stride = 1;
    for (size_t i = shape.size(); i-- > 0;) {
        strides[i] = stride;
        if (shape[i] > 1 && __builtin_mul_overflow(stride, shape[i], &stride))
            stride = std::numeric_limits<int64_t>::max();  // the extent check below refuses it
    }
    return strides;
}

void check_rank(const Array& array, int64_t rank) {
    if (rank < 0 || rank > static_cast<int64_t>(Sizes::most))
        throw value_error(array.label(), " must have at most ", Sizes::most, " dimensions; got ",
                          rank);
}

// The address range of the elements must fit the address space: no later offset overflows.
void check_extent(const Array& array) {
    int64_t reach = 1;
    for (const int64_t size : array.shape) {
        if (size < 0) throw value_error(array.label(), " has a negative dimension");
        if (size == 0) return;
    }
    if (array.data == nullptr) throw value_error(array.label(), " has elements but a null pointer");
    for (int i = 0; i < array.rank(); ++i) {
        int64_t span = 0;
        const bool overflow = __builtin_mul_overflow(array.shape[i] - 1, array.strides[i], &span) ||
                              span == std::numeric_limits<int64_t>::min() ||
                              __builtin_add_overflow(reach, std::llabs(span), &reach);
        if (overflow || reach > std::numeric_limits<int64_t>::max() / array.dtype.bytes)
            throw memory_error(array.label(), " must fit the address space; got shape ",
                               to_string(array.shape));
    }
}

void check_layout(const Array& array) {
    check_extent(array);
    const auto address = reinterpret_cast<uintptr_t>(array.data);
    if (address % array.dtype.bytes != 0)
        throw value_error(array.label(), " must be aligned to its item size (",
                          int{array.dtype.bytes},
                          " bytes); got a misaligned address: copy it first");
}

// The letter and size by which the array interfaces name a dtype.
DType dtype_from(const Array& array, py::handle object, char kind, int64_t bytes, bool swapped) {
    const bool sized = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    if (sized && !swapped) {
        const auto size = static_cast<uint8_t>(bytes);
        if (kind == 'b' && size == 1) return {Kind::boolean, 1};
        if (kind == 'i') return {Kind::signed_int, size};
        if (kind == 'u') return {Kind::unsigned_int, size};
        if (kind == 'f' && size > 1) return {Kind::floating, size};
    }
    const py::object dtype = attribute_or(object, "dtype", py::none());
    throw type_error(array.label(), " must have ", accepted_dtypes, "; got ",
                     dtype.is_none() ? cat(kind, bytes) : py::str(dtype).cast<std::string>());
}

// "<f4" and the like.
DType parse_typestr(const Array& array, py::handle object, const std::string& typestr) {
    const char foreign = std::endian::native == std::endian::little ? '>' : '<';
    const bool valid = typestr.size() > 2;
    const int64_t bytes = valid ? std::strtoll(typestr.c_str() + 2, nullptr, 10) : 0;
    return dtype_from(array, object, valid ? typestr[1] : '?', bytes, typestr[0] == foreign);
}

Sizes strides_from_bytes(const Array& array, const Sizes& byte_strides) {
    Sizes strides = contiguous_strides(array.shape);
    if (byte_strides.size() != strides.size())
        throw value_error(array.label(), " has ", strides.size(), " dimensions but ",
                          byte_strides.size(), " strides");
    for (size_t i = 0; i < strides.size(); ++i) {
        const int64_t bytes = byte_strides[i];
        if (bytes % array.dtype.bytes == 0)
            strides[i] = bytes / array.dtype.bytes;
        else if (array.shape[i] > 1)
            throw value_error(array.label(),
                              " must have strides that are multiples of its item size (",
                              int{array.dtype.bytes}, " bytes); got ", bytes,
                              " (a field of a structured array? copy it first)");
    }
    return strides;
}

bool read_ndarray(Array& array, py::handle object) {
    const PyArrayObject* from = any_ndarray(object);
    if (from == nullptr) return false;
    const PyArray_Descr* dtype = PyArray_DESCR(from);
    array.dtype =
        dtype_from(array, object, dtype->kind, PyArray_ITEMSIZE(from), !PyArray_ISNOTSWAPPED(from));
    const auto rank = static_cast<size_t>(PyArray_NDIM(from));
    array.shape = Sizes(PyArray_DIMS(from), rank);
    array.strides = strides_from_bytes(array, Sizes(PyArray_STRIDES(from), rank));
    array.data = PyArray_DATA(from);
    array.readonly = !PyArray_ISWRITEABLE(from);
    array.owner = py::reinterpret_borrow<py::object>(object);
    return true;
}

Sizes integers(const Array& array, const py::tuple& sizes) {
    check_rank(array, static_cast<int64_t>(sizes.size()));
    Sizes out(sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) out[i] = sizes[i].cast<int64_t>();
    return out;
}

void read_interface(Array& array, const py::dict& interface, const py::handle& object) {
    array.dtype = parse_typestr(array, object, interface["typestr"].cast<std::string>());
    array.shape = integers(array, interface["shape"].cast<py::tuple>());
    const py::object data = interface.attr("get")("data");
    if (!py::isinstance<py::tuple>(data))
        throw type_error(
            array.label(), " must tell its data pointer in ",
            array.device == Device::cpu ? "__array_interface__" : "__cuda_array_interface__");
    const auto pointer = data.cast<py::tuple>();
    array.data = reinterpret_cast<void*>(pointer[0].cast<uintptr_t>());
    array.readonly = pointer[1].cast<bool>();
    const py::object strides = interface.attr("get")("strides");
    array.strides = strides.is_none()
                        ? contiguous_strides(array.shape)
                        : strides_from_bytes(array, integers(array, strides.cast<py::tuple>()));
    // The dict too: an object may build its data when asked and own it only through the dict.
    array.owner = py::make_tuple(object, interface);
}

DType parse_dlpack_dtype(const Array& array, dlpack::DataType dtype) {
    const auto bytes = static_cast<uint8_t>(dtype.bits / 8);
    const bool whole = dtype.lanes == 1 && (dtype.bits == 8 || dtype.bits == 16 ||
                                            dtype.bits == 32 || dtype.bits == 64);
    if (whole) {
        if (dtype.code == dlpack::code_float && bytes > 1) return {Kind::floating, bytes};
        if (dtype.code == dlpack::code_int) return {Kind::signed_int, bytes};
        if (dtype.code == dlpack::code_uint) return {Kind::unsigned_int, bytes};
        if (dtype.code == dlpack::code_bool && bytes == 1) return {Kind::boolean, 1};
        if (dtype.code == dlpack::code_bfloat && bytes == 2) return {Kind::bfloat, 2};
    }
    throw type_error(array.label(), " must have ", accepted_dtypes, "; got DLPack type code ",
                     int{dtype.code}, " of ", int{dtype.bits}, " bits and ", dtype.lanes, " lanes");
}

void read_tensor(Array& array, const dlpack::Tensor& tensor) {
    const int32_t device = tensor.device.type;
    if (device == dlpack::device_cuda || device == dlpack::device_cuda_managed)
        array.device = Device::cuda;
    else if (device != dlpack::device_cpu && device != dlpack::device_cuda_host)
        throw type_error(array.label(), " must be in CPU or CUDA memory; got DLPack device type ",
                         device);
    array.device_id = tensor.device.id;
    array.dtype = parse_dlpack_dtype(array, tensor.dtype);
    check_rank(array, tensor.ndim);
    const auto rank = static_cast<size_t>(tensor.ndim);
    array.shape = Sizes(tensor.shape, rank);
    array.strides =
        tensor.strides == nullptr ? contiguous_strides(array.shape) : Sizes(tensor.strides, rank);
    array.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
}

// Takes the tensor out of its capsule: from here on our own capsule calls the deleter.
template <class Managed>
Managed* consume(Array& array, const py::object& capsule, const char* name, const char* used) {
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
    if (managed == nullptr) throw py::error_already_set();
    array.owner = py::capsule(managed, [](void* pointer) {
        auto* tensor = static_cast<Managed*>(pointer);
        if (tensor->deleter != nullptr) tensor->deleter(tensor);
    });
    if (PyCapsule_SetName(capsule.ptr(), used) != 0) throw py::error_already_set();
    return managed;
}

py::object export_capsule(const Array& array, const py::handle& object) {
    try {
        try {
            return object.attr("__dlpack__")(py::arg("max_version") = py::make_tuple(1, 1));
        } catch (py::error_already_set& error) {
            if (!error.matches(PyExc_TypeError)) throw;  // an exporter older than max_version
            return object.attr("__dlpack__")();
        }
    } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_Exception)) throw;  // KeyboardInterrupt and the like
        throw type_error(array.label(), " must be readable through DLPack; got ",
                         Py_TYPE(object.ptr())->tp_name,
                         " that refused: ", py::str(error.value()).cast<std::string>());
    }
}

void read_dlpack(Array& array, const py::handle& object) {
    const py::object capsule = export_capsule(array, object);
    if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
        const auto* managed = consume<dlpack::ManagedTensorVersioned>(
            array, capsule, "dltensor_versioned", "used_dltensor_versioned");
        if (managed->version.major != 1)
            throw type_error(array.label(), " must use DLPack version 1; got version ",
                             managed->version.major);
        array.readonly = (managed->flags & dlpack::flag_read_only) != 0;
        read_tensor(array, managed->tensor);
    } else if (PyCapsule_IsValid(capsule.ptr(), "dltensor") != 0) {
        // No flag to tell: writable, as every importer of that version took it.
        read_tensor(
            array,
            consume<dlpack::ManagedTensor>(array, capsule, "dltensor", "used_dltensor")->tensor);
    } else {
        throw type_error(array.label(), ".__dlpack__() must return an unused DLPack capsule");
    }
}

void read_protocol(Array& array, py::handle object) {
    for (const Device device : {Device::cpu, Device::cuda}) {
        const char* name =
            device == Device::cpu ? "__array_interface__" : "__cuda_array_interface__";
        const py::object interface = attribute_or(object, name, py::none());
        if (!py::isinstance<py::dict>(interface)) continue;
        array.device = device;
        array.device_id = device == Device::cpu ? 0 : -1;
        return read_interface(array, interface.cast<py::dict>(), object);
    }
    if (!has_attribute(object, "__dlpack__"))
        throw type_error(array.label(),
                         " must be an array (__array_interface__, __cuda_array_interface__ or "
                         "__dlpack__); got ",
                         Py_TYPE(object.ptr())->tp_name);
    read_dlpack(array, object);
}

}  // namespace

std::string to_string(DType dtype) {
    if (dtype.kind == Kind::boolean) return "bool";
    if (dtype.kind == Kind::bfloat) return "bfloat16";
    const char* kind = dtype.kind == Kind::floating     ? "float"
                       : dtype.kind == Kind::signed_int ? "int"
                                                        : "uint";
    return kind + std::to_string(8 * dtype.bytes);
}

std::string to_string(const Sizes& shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); ++i)
        text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

Array array_in(py::handle object, const char* op, const char* name) {
    Array array;
    array.op = op;
    array.name = name;
    if (object.is_none()) return array;
    array.given = true;
    if (!read_ndarray(array, object)) read_protocol(array, object);
    check_layout(array);
    return array;
}

}  // namespace layerwise
