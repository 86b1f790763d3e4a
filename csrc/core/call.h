// Call: one call of a kernel from Python. A binding names its arguments once (input, operand,
// output,
// ...), calls check(), takes typed views of them and runs the kernel without the GIL.
// Views live as long as the Call.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <list>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

#include "core/array.h"
#include "core/cuda_device.h"
#include "core/errors.h"
#include "core/matrix.h"
#include "core/operand_in.h"
#include "core/target.h"

namespace layerwise {

// What another argument may share with an output of the call.
enum class Alias : uint8_t {
    none,
    exact,  // the very elements: same address, shape and strides
};

class Call {
public:
    // where: threads on the CPU, None for the default or an int >= 1; or (device, stream) of CUDA.
    // Throws for CUDA where op has no CUDA kernel.
    Call(const char* op, pybind11::handle where);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Each registers an argument for check(); None gives one that is not `given`.
    const Array& input(pybind11::handle object, const char* name, Alias alias = Alias::none);
    const OperandIn& operand(pybind11::handle object, const char* name);
    const Array& output(pybind11::handle object, const char* name);
    const BitsIn& output_bits(pybind11::handle object, const char* name);
    // Of any dtype: it does not take part in dtype().
    const Array& other(pybind11::handle object, const char* name);
    const Array& other_output(pybind11::handle object, const char* name);

    // All on the call's device, and no output shares memory with another argument.
    void check() const;

    // The one dtype, float32 or float64, of all input, operand and output arrays.
    DType dtype() const;

    // The workspace argument, aligned to 64 bytes; null where `needed` is 0. publish() is what the
    // Python function <op>_workspace returns for `needed`.
    struct Block {
        void* data = nullptr;
        size_t bytes = 0;
    };
    Block workspace(pybind11::handle object, size_t needed);
    static size_t publish(size_t needed);

    const Target& target() const { return target_; }

    // kernel(target) -> Status, without the GIL; throws what a signal handler raised, and what CUDA
    // reported.
    template <class Kernel>
    void run(const Kernel& kernel) {
        enter();
        const Status status = kernel(static_cast<const Target&>(target_));
        leave(status);
    }

private:
    struct Entry {
        const Array* array;
        bool is_float, is_output;
        Alias alias;
    };

    const Array& keep(Array array, bool is_float, bool is_output, Alias alias);
    void add(const Array& array, bool is_float, bool is_output, Alias alias);
    void enter();
    void leave(Status status);
    void check_device(const Array& array) const;
    void release_gil();
    void acquire_gil();
    static bool poll(void* call);

    const char* op_;
    Target target_;
    CudaFailure failure_;
    std::shared_ptr<void> guard_;  // CudaDeviceGuard, while a CUDA kernel runs
    // Lists: references stay valid as they grow, here as a rule, elsewhere if there is no more
    // room.
    alignas(std::max_align_t) std::byte room_[size_t{24} * 1024];
    std::pmr::monotonic_buffer_resource memory_{room_, sizeof room_};
    std::pmr::list<Array> arrays_{&memory_};
    std::pmr::list<OperandIn> operands_{&memory_};
    std::pmr::list<BitsIn> bits_{&memory_};
    std::pmr::vector<Entry> entries_{&memory_};
    PyThreadState* released_ = nullptr;
    int64_t next_poll_ns_ = 0;
};

// Throws unless the array (where given) has this dtype and shape; -1 stands for any size.
void check_array(const Array& array, DType dtype, std::initializer_list<int64_t> shape);

template <class T>
Matrix<const T> matrix(const Array& array, int64_t rows, int64_t cols) {
    check_array(array, dtype_of<T>, {rows, cols});
    if (!array) return {};
    return {static_cast<const T*>(array.data), array.shape[0], array.shape[1], array.strides[0],
            array.strides[1]};
}

template <class T>
Vector<const T> vector(const Array& array, int64_t size) {
    check_array(array, dtype_of<T>, {size});
    if (!array) return {};
    return {static_cast<const T*>(array.data), array.shape[0], array.strides[0]};
}

// For arrays that Call::output registered (it refuses read-only ones).
template <class T>
Matrix<T> output_matrix(const Array& array, int64_t rows, int64_t cols) {
    const Matrix<const T> view = matrix<T>(array, rows, cols);
    return {const_cast<T*>(view.data), view.rows, view.cols, view.row_stride, view.col_stride};
}

template <class T>
Vector<T> output_vector(const Array& array, int64_t size) {
    const Vector<const T> view = vector<T>(array, size);
    return {const_cast<T*>(view.data), view.size, view.stride};
}

// Throws unless the operand or bits (where given) have this shape; -1 stands for any size.
void check_operand(const OperandIn& operand, const char* op, const char* name, int64_t rows,
                   int64_t cols);
void check_bits(const BitsIn& bits, const char* op, const char* name, int64_t rows, int64_t cols);

// visit(float32 or float64, []<class T>() {...})
template <class Body>
auto visit_float(DType dtype, const Body& body) {
    return dtype == dtype_of<float> ? body.template operator()<float>()
                                    : body.template operator()<double>();
}

// "float32" or "float64", for the workspace functions, which see no array.
DType float_dtype(const std::string& name, const char* op);

// An int argument in [low, high].
int64_t integer(pybind11::handle object, const char* op, const char* name, int64_t low,
                int64_t high);
uint64_t seed_in(pybind11::handle object, const char* op);
// A Philox counter word: [0, 2^32).
uint32_t counter_word(pybind11::handle object, const char* op, const char* name);

// Sizes >= 0 whose every pairwise product, times the item size, fits the address space: no byte
// count derived from two of them overflows. MemoryError names the sizes.
struct NamedSize {
    const char* name;
    int64_t size;
};
void check_sizes(const char* op, std::initializer_list<NamedSize> sizes, int itemsize);

}  // namespace layerwise
