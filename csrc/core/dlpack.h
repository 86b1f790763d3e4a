// The few structs of the DLPack ABI (version 1) that reading a tensor needs.
// Source: github.com/dmlc/dlpack, include/dlpack/dlpack.h.
#pragma once

#include <cstdint>

namespace layerwise::dlpack {

struct Device {
    int32_t type;
    int32_t id;
};

constexpr int32_t device_cpu = 1, device_cuda = 2, device_cuda_host = 3, device_cuda_managed = 13;

struct DataType {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
};

constexpr uint8_t code_int = 0, code_uint = 1, code_float = 2, code_bfloat = 4, code_complex = 5,
                  code_bool = 6;

struct Tensor {
    void* data;
    Device device;
    int32_t ndim;
    DataType dtype;
    int64_t* shape;
    int64_t* strides;  // in elements; null: C-contiguous
    uint64_t byte_offset;
};

// Capsule "dltensor": before version 1, without a read-only flag.
struct ManagedTensor {
    Tensor tensor;
    void* manager_context;
    void (*deleter)(ManagedTensor*);
};

struct Version {
    uint32_t major;
    uint32_t minor;
};

constexpr uint64_t flag_read_only = 1;

// Capsule "dltensor_versioned".
struct ManagedTensorVersioned {
    Version version;
    void* manager_context;
    void (*deleter)(ManagedTensorVersioned*);
    uint64_t flags;
    Tensor tensor;
};

}  // namespace layerwise::dlpack
