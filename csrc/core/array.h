// Array: a type- and device-erased view of a Python array, alive as long as the Array is.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

#include "core/sizes.h"
#include "core/target.h"

namespace layerwise {

enum class Kind : uint8_t { boolean, signed_int, unsigned_int, floating, bfloat };

struct DType {
    Kind kind = Kind::floating;
    uint8_t bytes = 0;
    bool operator==(const DType&) const = default;
};

std::string to_string(DType dtype);         // NumPy's name: "float32"
std::string to_string(const Sizes& shape);  // as a Python tuple: "(3, 4)"

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
    static constexpr DType value{Kind::floating, 4};
};
template <>
struct DTypeOf<double> {
    static constexpr DType value{Kind::floating, 8};
};
template <>
struct DTypeOf<uint8_t> {
    static constexpr DType value{Kind::unsigned_int, 1};
};
template <>
struct DTypeOf<uint32_t> {
    static constexpr DType value{Kind::unsigned_int, 4};
};
template <>
struct DTypeOf<uint64_t> {
    static constexpr DType value{Kind::unsigned_int, 8};
};
template <>
struct DTypeOf<int32_t> {
    static constexpr DType value{Kind::signed_int, 4};
};
template <>
struct DTypeOf<int64_t> {
    static constexpr DType value{Kind::signed_int, 8};
};
template <class T>
constexpr DType dtype_of = DTypeOf<T>::value;

struct Array {
    const char* op = "";    // for messages: "gemm"
    const char* name = "";  // "a"
    bool given = false;     // false: the argument was None

    void* data = nullptr;
    DType dtype;
    Device device = Device::cpu;
    int device_id = 0;     // -1: not told by the protocol
    Sizes shape, strides;  // strides in elements, of any sign or zero
    bool readonly = false;
    pybind11::object owner;  // what keeps data alive; destroy with the GIL held

    explicit operator bool() const { return given; }
    int rank() const { return static_cast<int>(shape.size()); }
    std::string label() const { return std::string(op) + ": " + name; }
};

// Reads arrays of NumPy, else __array_interface__, __cuda_array_interface__ or __dlpack__.
// None gives an Array that is not `given`. Refused, by name: objects that are no array, dtypes
// other than bool, integers and real floats, byte-swapped or misaligned data, strides that are no
// multiple of the item size. op and name must outlive the Array (string literals).
Array array_in(pybind11::handle object, const char* op, const char* name);

}  // namespace layerwise
