// The machine's limits: fused multiply-add peak and memory bandwidth.
//
//   machine THREADS          all limits, each the best of its runs, as one line of JSON
//   machine THREADS peak     a line "float32" or "float64" on stdin asks for that peak as it is
//                            now: the median of twelve runs of about a millisecond
//
// GFLOP/s of independent FMA chains held in registers, float32 and float64, and of dot products of
// bfloat16 where the CPU has them (AVX512_BF16), on one thread and on THREADS; GB/s of read (sum),
// copy (2 arrays counted) and triad (3 arrays counted; write-allocate traffic is not) on THREADS,
// from memory (256 MiB an array) and from the last-level cache (2 MiB a thread). Compiled by run.py
// with -march=native: the vectors are the widest that this CPU has.
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

using Clock = std::chrono::steady_clock;

// Thread t stays on the t-th CPU that the process may use: a scheduler that puts two new threads on
// one core may need many milliseconds to see it.
void pin(int t) {
#if defined(__linux__)
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &allowed) && t-- == 0) CPU_SET(cpu, &one);
    if (CPU_COUNT(&one) == 1) sched_setaffinity(0, sizeof one, &one);
#else
    (void)t;
#endif
}

// Times of `runs` runs, ascending, in which all threads start work(thread) together. They read the
// clock themselves: where they take every core, a thread that only waits would read it late.
std::vector<double> sorted_seconds(int threads, int runs, const std::function<void(int)>& work) {
    std::barrier gate(threads);
    std::vector<Clock::time_point> start(threads), stop(threads);
    std::vector<double> seconds;
    const auto member = [&](int t) {
        pin(t);
        for (int run = 0; run <= runs; ++run) {  // the first warms up
            gate.arrive_and_wait();
            start[t] = Clock::now();
            work(t);
            stop[t] = Clock::now();
            gate.arrive_and_wait();
            if (t > 0 || run == 0) continue;
            const auto first = *std::min_element(start.begin(), start.end());
            const auto last = *std::max_element(stop.begin(), stop.end());
            seconds.push_back(std::chrono::duration<double>(last - first).count());
        }
    };
    std::vector<std::thread> team;
    for (int t = 0; t < threads; ++t) team.emplace_back(member, t);
    for (std::thread& thread : team) thread.join();
    std::sort(seconds.begin(), seconds.end());
    return seconds;
}

double best_seconds(int threads, const std::function<void(int)>& work) {
    return sorted_seconds(threads, 25, work).front();
}

// Two pipes of at most five cycles' latency need ten chains; sixteen registers hold twelve and the
// two constants.
constexpr int chains = 12;

template <class T>
void fma_chains(long steps) {
    typedef T Vector __attribute__((vector_size(vector_bytes)));
    Vector sum[chains], factor, term;
    for (std::size_t i = 0; i < vector_bytes / sizeof(T); ++i) {
        factor[i] = T(0.999);
        term[i] = T(0.001);
    }
    for (int c = 0; c < chains; ++c) sum[c] = term * T(c);
    for (long step = 0; step < steps; ++step) {
        for (int c = 0; c < chains; ++c) sum[c] = sum[c] * factor + term;
    }
    volatile T sink = 0;
    for (const Vector& chain : sum) sink = sink + chain[0];
}

template <class T>
double fma_gflop(int threads, long steps) {
    return 2.0 * chains * (vector_bytes / sizeof(T)) * double(steps) * threads * 1e-9;
}

template <class T>
double best_fma_rate(int threads) {
    const long steps = 2'000'000;
    const double best = best_seconds(threads, [=](int) { fma_chains<T>(steps); });
    return fma_gflop<T>(threads, steps) / best;
}

template <class T>
double fma_rate_now(int threads) {
    const long steps = 500'000;
    const int runs = 12;
    const auto seconds = sorted_seconds(threads, runs, [=](int) { fma_chains<T>(steps); });
    return fma_gflop<T>(threads, steps) / seconds[runs / 2];
}

#if defined(__AVX512BF16__)
// Sixteen sums of two products each an instruction.
double best_bfloat16_rate(int threads) {
    const long steps = 2'000'000;
    const auto work = [=](int) {
        __m512 sum[chains];
        for (int c = 0; c < chains; ++c) sum[c] = _mm512_set1_ps(float(c));
        const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f));
        for (long step = 0; step < steps; ++step)
            for (int c = 0; c < chains; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], x, x);
        volatile float sink = 0;
        for (const __m512& chain : sum) sink = sink + chain[0];
    };
    return 4.0 * 16 * chains * double(steps) * threads / best_seconds(threads, work) * 1e-9;
}
#endif

enum class Stream { read, copy, triad };

template <Stream kind>
float stream(float* a, const float* b, const float* c, std::size_t n) {
    typedef float Vector __attribute__((vector_size(vector_bytes)));
    constexpr std::size_t lanes = vector_bytes / sizeof(float);
    auto* out = reinterpret_cast<Vector*>(a);
    auto* x = reinterpret_cast<const Vector*>(b);
    auto* y = reinterpret_cast<const Vector*>(c);
    Vector sum[8] = {};
    for (std::size_t i = 0; i < n / lanes; i += 8) {  // n is a multiple of 1024
        for (std::size_t j = 0; j < 8; ++j) {
            if (kind == Stream::read) sum[j] += x[i + j];
            if (kind == Stream::copy) out[i + j] = x[i + j] + 1.0f;
            if (kind == Stream::triad) out[i + j] = x[i + j] + 3.0f * y[i + j];
        }
    }
    float total = 0;
    for (const Vector& part : sum) total += part[0];
    return total;
}

// n is floats in each thread's share of an array.
template <Stream kind>
double bandwidth(int threads, std::size_t n, int repeats) {
    struct Free {
        void operator()(float* p) const { std::free(p); }
    };
    const auto share = [n] {
        std::unique_ptr<float[], Free> p(static_cast<float*>(std::aligned_alloc(4096, n * 4)));
        if (!p) std::abort();
        return p;
    };
    std::vector<std::unique_ptr<float[], Free>> a(threads), b(threads), c(threads);
    const double seconds = best_seconds(threads, [&](int t) {
        if (!a[t]) {  // in the warm-up, so that each thread's pages are its own
            a[t] = share(), b[t] = share(), c[t] = share();
            std::fill_n(a[t].get(), n, 0.0f);
            std::fill_n(b[t].get(), n, 1.0f);
            std::fill_n(c[t].get(), n, 2.0f);
        }
        volatile float sink = 0;
        for (int r = 0; r < repeats; ++r) {
            sink = stream<kind>(a[t].get(), b[t].get(), c[t].get(), n);
            // Every repeat counts: the arrays may have changed since the last one.
            asm volatile("" ::"r"(a[t].get()), "r"(b[t].get()), "r"(c[t].get()) : "memory");
        }
        (void)sink;
    });
    const int arrays = kind == Stream::read ? 1 : kind == Stream::copy ? 2 : 3;
    return arrays * 4.0 * double(n) * threads * repeats / seconds * 1e-9;
}

void answer_requests(int threads) {
    for (std::string dtype; std::getline(std::cin, dtype);) {
        const bool wide = dtype == "float64";
        std::cout << (wide ? fma_rate_now<double>(threads) : fma_rate_now<float>(threads))
                  << std::endl;
    }
}

int main(int argc, char** argv) {
    const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
    if (argc > 2 && std::string(argv[2]) == "peak") {
        answer_requests(threads);
        return 0;
    }
    const auto report = [](const char* name, double rate) {
        std::printf(", \"%s\": %.1f", name, rate);
    };
    std::printf("{\"threads\": %d, \"vector_bytes\": %d", threads, vector_bytes);
    report("fma_float32_core", best_fma_rate<float>(1));
    report("fma_float32", best_fma_rate<float>(threads));
    report("fma_float64_core", best_fma_rate<double>(1));
    report("fma_float64", best_fma_rate<double>(threads));
#if defined(__AVX512BF16__)
    report("dot_bfloat16_core", best_bfloat16_rate(1));
    report("dot_bfloat16", best_bfloat16_rate(threads));
#endif
    const std::size_t memory = (std::size_t(256) << 18) / threads / 1024 * 1024;
    const std::size_t cache = std::size_t(2) << 18;
    report("memory_read", bandwidth<Stream::read>(threads, memory, 1));
    report("memory_copy", bandwidth<Stream::copy>(threads, memory, 1));
    report("memory_triad", bandwidth<Stream::triad>(threads, memory, 1));
    report("cache_read", bandwidth<Stream::read>(threads, cache, 50));
    report("cache_copy", bandwidth<Stream::copy>(threads, cache, 50));
    report("cache_triad", bandwidth<Stream::triad>(threads, cache, 50));
    std::printf("}\n");
}
