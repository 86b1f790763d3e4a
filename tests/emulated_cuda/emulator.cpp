// Runs the blocks of a kernel one after the other and the threads of a block as fibers, which
// change only where they wait for each other. What would be a race on a GPU is made to show: shared
// memory starts as NaN, the threads run forwards and backwards in turn, asynchronous copies arrive
// only when they are waited for, and a barrier or an exchange that some thread of a block or warp
// does not come to ends the process.
#include <cuda_runtime.h>
#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <mutex>
#include <utility>
#include <vector>

#include "gemm/mma_cuda.h"

dim3 threadIdx, blockIdx, gridDim;

namespace emulated {
namespace {

constexpr int warp_size = 32, max_shared = 227 << 10;
constexpr size_t stack_bytes = 128 << 10;

struct Fiber {
    ucontext_t start;
    jmp_buf at;
    std::vector<char> stack;
    bool started, done;
    std::vector<std::vector<std::pair<char*, const void*>>> copies;  // by group, the last one open
};

// What a lane brings to an exchange.
struct Slot {
    const void* in = nullptr;
    void* out = nullptr;
    uint64_t x = 0, y = 0;
};

struct Warp {
    int arrived = 0, ended = 0;
    uint64_t turn = 0;
    Slot slots[warp_size];
};

std::vector<Fiber> fibers;
std::vector<Warp> warps;
int threads, arrived, ended;  // arrived: at the block's barrier
uint64_t turn;
jmp_buf scheduler;
const std::function<void()>* body;
alignas(1024) char memory[max_shared];

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "emulated GPU: %s\n", what);
    std::abort();
}

Fiber& current() { return fibers[threadIdx.x]; }

void yield() {
    if (_setjmp(current().at) == 0) _longjmp(scheduler, 1);
}

void enter() {
    (*body)();
    Warp& warp = warps[threadIdx.x / warp_size];
    if (arrived > 0 || warp.arrived > 0) fail("a thread ended that others wait for");
    ++ended;
    ++warp.ended;
    for (const auto& group : current().copies)
        if (!group.empty()) fail("a thread ended before its copies arrived");
    current().done = true;
    _longjmp(scheduler, 1);
}

void resume(int thread) {
    threadIdx.x = static_cast<unsigned>(thread);
    Fiber& fiber = fibers[thread];
    if (_setjmp(scheduler) != 0) return;
    if (fiber.started) _longjmp(fiber.at, 1);
    fiber.started = true;
    setcontext(&fiber.start);
}

// finish(slots) once all lanes of the warp are here.
template <class Finish>
void exchange_all(const Slot& slot, Finish finish) {
    Warp& warp = warps[threadIdx.x / warp_size];
    if (warp.ended > 0) fail("a warp waits for a lane that has ended");
    const uint64_t mine = warp.turn;
    warp.slots[threadIdx.x % warp_size] = slot;
    if (++warp.arrived == warp_size) {
        finish(warp.slots);
        warp.arrived = 0;
        ++warp.turn;
    }
    while (warp.turn == mine) yield();
}

void start_block() {
    std::memset(memory, 0xff, sizeof memory);
    for (int t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[t];
        fiber.started = fiber.done = false;
        fiber.copies.assign(1, {});
        fiber.stack.resize(stack_bytes);
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = fiber.stack.data();
        fiber.start.uc_stack.ss_size = stack_bytes;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, &enter, 0);
    }
}

void run_block() {
    start_block();
    for (bool forwards = true; ended < threads; forwards = !forwards)
        for (int i = 0; i < threads; ++i) {
            const int t = forwards ? i : threads - 1 - i;
            if (!fibers[t].done) resume(t);
        }
}

float toward_zero(double x) {
    const auto nearest = static_cast<float>(x);
    const bool beyond = std::isfinite(nearest) && std::fabs(double{nearest}) > std::fabs(x);
    return beyond ? std::nextafter(nearest, 0.0f) : nearest;
}

const float* half_values() {
    static const std::vector<float> values = [] {
        std::vector<float> out(1 << 16);
        for (int i = 0; i < 1 << 16; ++i) {
            const auto bits = static_cast<uint16_t>(i);
            _Float16 half;
            std::memcpy(&half, &bits, sizeof half);
            out[static_cast<size_t>(i)] = static_cast<float>(half);
        }
        return out;
    }();
    return values.data();
}

// The pieces of both factors that the lanes hold, as matrices; layout as in csrc/gemm/mma_cuda.h.
// False where one is zero, as in the padding of a small product.
bool gather(const Slot* slots, double (&a)[16][16], double (&b)[16][8]) {
    uint64_t a_bits = 0, b_bits = 0;
    const float* values = half_values();
    for (int lane = 0; lane < warp_size; ++lane) {
        const auto* pieces = static_cast<const uint32_t*>(slots[lane].in);
        const uint64_t columns[] = {slots[lane].x, slots[lane].y};
        const int g = lane / 4, t = lane % 4 * 2;
        a_bits |= pieces[0] | pieces[1] | pieces[2] | pieces[3];
        b_bits |= columns[0] | columns[1];
        for (int e = 0; e < 2; ++e) {
            for (int i = 0; i < 4; ++i)
                a[g + i % 2 * 8][t + i / 2 * 8 + e] = values[pieces[i] >> 16 * e & 0xffff];
            for (int i = 0; i < 2; ++i) b[t + 8 * i + e][g] = values[columns[i] >> 16 * e & 0xffff];
        }
    }
    return a_bits != 0 && b_bits != 0;
}

// Exact products, summed in float64 and truncated.
void multiply_all(const Slot* slots) {
    double a[16][16], b[16][8], products[16][8] = {};
    if (!gather(slots, a, b)) return;
    for (int row = 0; row < 16; ++row)
        for (int k = 0; k < 16; ++k)
            for (int col = 0; col < 8; ++col) products[row][col] += a[row][k] * b[k][col];
    for (int lane = 0; lane < warp_size; ++lane)
        for (int e = 0; e < 4; ++e) {
            float& c = static_cast<float*>(slots[lane].out)[e];
            c = toward_zero(double{c} + products[lane / 4 + e / 2 * 8][lane % 4 * 2 + e % 2]);
        }
}

}  // namespace

// EMULATED_SHARED_BYTES: of smaller GPUs, for the kernel's other pipelines.
int shared_bytes() {
    const char* asked = std::getenv("EMULATED_SHARED_BYTES");
    return asked ? std::atoi(asked) : max_shared;
}

cudaError_t run(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    if (config.dynamicSmemBytes > static_cast<size_t>(shared_bytes()) ||
        config.blockDim.x % warp_size != 0)
        return cudaErrorInvalidConfiguration;
    threads = static_cast<int>(config.blockDim.x);
    if (fibers.size() < config.blockDim.x) fibers.resize(config.blockDim.x);
    body = &thread;
    gridDim = config.gridDim;
    for (unsigned y = 0; y < gridDim.y; ++y)
        for (unsigned x = 0; x < gridDim.x; ++x) {
            warps.assign(config.blockDim.x / warp_size, {});
            arrived = ended = 0;
            blockIdx = dim3(x, y);
            run_block();
        }
    return cudaSuccess;
}

uint64_t exchange(uint64_t value, int lane_mask) {
    uint64_t out = 0;
    exchange_all({nullptr, &out, value, 0}, [=](const Slot* slots) {
        for (int lane = 0; lane < warp_size; ++lane)
            *static_cast<uint64_t*>(slots[lane].out) = slots[lane ^ lane_mask].x;
    });
    return out;
}

char* shared_memory() { return memory; }

void copy_async(char* to, const void* from) {
    if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0)
        fail("a copy's address is not a multiple of 16");
    current().copies.back().emplace_back(to, from);
}

void commit_copies() { current().copies.emplace_back(); }

void wait_for_copies(int pending) {
    auto& groups = current().copies;
    while (groups.size() > static_cast<size_t>(pending) + 1) {
        for (const auto& [to, from] : groups.front()) std::memcpy(to, from, 16);
        groups.erase(groups.begin());
    }
}

uint16_t to_half(float x) {
    const auto half = static_cast<_Float16>(x);
    uint16_t bits = 0;
    std::memcpy(&bits, &half, sizeof bits);
    return bits;
}

float from_half(uint16_t bits) { return half_values()[bits]; }

void load_matrices(const char* row, uint32_t* out) {
    exchange_all({row, out, 0, 0}, [](const Slot* slots) {
        for (int lane = 0; lane < warp_size; ++lane)
            for (int i = 0; i < 4; ++i) {
                const auto* line = static_cast<const char*>(slots[8 * i + lane / 4].in);
                std::memcpy(static_cast<uint32_t*>(slots[lane].out) + i, line + 4 * (lane % 4), 4);
            }
    });
}

void multiply_matrices(float* c, const uint32_t* a, uint32_t b0, uint32_t b1) {
    exchange_all({a, c, b0, b1}, multiply_all);
}

}  // namespace emulated

void __syncthreads() {
    using namespace emulated;
    if (ended > 0) fail("a block waits for a thread that has ended");
    const uint64_t mine = turn;
    if (++arrived == threads) {
        arrived = 0;
        ++turn;
    }
    while (turn == mine) yield();
}

int __syncthreads_or(int value) {
    static int any;
    any = 0;
    __syncthreads();
    any |= value;
    __syncthreads();
    const int out = any;
    __syncthreads();
    return out;
}

void __syncwarp() { emulated::exchange(0, 0); }
