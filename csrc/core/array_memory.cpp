// A memory handler of NumPy (NEP 49) that keeps large blocks for arrays of the same size.
#include "core/array_memory.h"

#include <pthread.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <vector>
#ifdef __linux__
#include <malloc.h>
#include <sys/mman.h>
#endif

#include "core/numpy_array.h"
#include "core/threads.h"

namespace py = pybind11;

namespace layerwise {
namespace {

constexpr size_t least_kept = size_t{1} << 16;      // bytes; smaller blocks malloc keeps itself
constexpr size_t kept_a_thread = size_t{32} << 20;  // of all that is kept
constexpr size_t alignment = 64;
constexpr size_t huge = size_t{4} << 20;  // from here on NumPy too asks for huge pages

// What is allocated for an array of `size` bytes: an eighth more at most, so that sizes that differ
// by little share blocks. 0 where there is no such number.
size_t capacity_of(size_t size) {
    if (size < least_kept) return size > 0 ? size : 1;
    const size_t step = std::bit_floor(size) / 8;
    if (size > std::numeric_limits<size_t>::max() - step) return 0;
    return (size + step - 1) / step * step;
}

// Whether a block has as much room as the size says with which it comes back.
bool has_room(void* block, size_t capacity) {
#ifdef __GLIBC__
    return malloc_usable_size(block) >= capacity;
#else
    (void)block, (void)capacity;
    return false;
#endif
}

class Store {
public:
    void* take(size_t capacity) {
        const std::lock_guard lock(mutex_);
        for (size_t i = kept_.size(); i-- > 0;) {
            if (kept_[i].capacity != capacity) continue;
            void* const data = kept_[i].data;
            kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
            bytes_ -= capacity;
            return data;
        }
        return nullptr;
    }

    // The oldest blocks make room.
    void give(void* data, size_t capacity) noexcept {
        const std::lock_guard lock(mutex_);
        const size_t limit = kept_a_thread * static_cast<size_t>(default_num_threads());
        if (capacity > limit || !has_room(data, capacity)) return std::free(data);
        size_t first = 0;
        for (; bytes_ + capacity > limit; ++first) {
            bytes_ -= kept_[first].capacity;
            std::free(kept_[first].data);
        }
        kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(first));
        try {
            kept_.push_back({data, capacity});
            bytes_ += capacity;
        } catch (const std::bad_alloc&) {
            std::free(data);
        }
    }

    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }

    void clear() {
        const std::lock_guard lock(mutex_);
        for (const Block& block : kept_) std::free(block.data);
        kept_.clear();
        bytes_ = 0;
    }

private:
    struct Block {
        void* data;
        size_t capacity;
    };

    std::mutex mutex_;
    std::vector<Block> kept_;  // in the order in which they came
    size_t bytes_ = 0;
};

// Never destroyed: arrays may end after everything else.
Store& store() {
    static Store& one = *new Store;
    return one;
}

// NumPy may come without the GIL: a child must not begin with another thread in the middle of it.
[[maybe_unused]] const int fork_handler =
    pthread_atfork([] { store().lock(); }, [] { store().unlock(); }, [] { store().unlock(); });

void* fresh(size_t capacity) {
    void* data = std::aligned_alloc(alignment, capacity);
    if (data == nullptr) {
        store().clear();
        data = std::aligned_alloc(alignment, capacity);
    }
#ifdef MADV_HUGEPAGE
    if (data != nullptr && capacity >= huge) {
        const size_t page = 4096, skip = (page - reinterpret_cast<uintptr_t>(data) % page) % page;
        madvise(static_cast<char*>(data) + skip, (capacity - skip) / page * page, MADV_HUGEPAGE);
    }
#endif
    return data;
}

void* allocate(void*, size_t size) {
    const size_t capacity = capacity_of(size);
    if (capacity == 0) return nullptr;
    if (capacity < least_kept) return std::malloc(capacity);
    void* const kept = store().take(capacity);
    return kept != nullptr ? kept : fresh(capacity);
}

void* allocate_zeros(void*, size_t count, size_t each) {
    size_t size = 0;
    if (__builtin_mul_overflow(count, each, &size)) return nullptr;
    const size_t capacity = capacity_of(size);
    void* const kept = capacity < least_kept ? nullptr : store().take(capacity);
    if (kept != nullptr) return std::memset(kept, 0, size);
    return capacity == 0 ? nullptr : std::calloc(capacity, 1);  // pages that are zero already
}

void* reallocate(void*, void* data, size_t size) {
    const size_t capacity = capacity_of(size);
    return capacity == 0 ? nullptr : std::realloc(data, capacity);
}

void release(void*, void* data, size_t size) {
    const size_t capacity = capacity_of(size);
    if (data == nullptr || capacity < least_kept)
        std::free(data);
    else
        store().give(data, capacity);
}

PyDataMem_Handler handler = {"layerwise: blocks kept for arrays of the same size",
                             1,
                             {nullptr, allocate, allocate_zeros, reallocate, release}};

}  // namespace

void recycle_arrays() {
    if (PyArray_ImportNumPyAPI() < 0) throw py::error_already_set();
    PyObject* const capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
    if (capsule == nullptr) throw py::error_already_set();
    PyObject* const before = PyDataMem_SetHandler(capsule);
    Py_DECREF(capsule);
    if (before == nullptr) throw py::error_already_set();
    Py_DECREF(before);
}

}  // namespace layerwise
