// gibbs on the CPU: what gibbs_cd.h and gibbs_energy.h leave to the device.
#include "gibbs/gibbs.h"

#include "core/parallel_tasks.h"
#include "gemm/momentum_cpu.h"
#include "gibbs/gibbs_cd.h"
#include "gibbs/gibbs_energy_cpu.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Of a task: long runs of each row, which memory brings sooner than short ones pages apart.
constexpr int64_t columns_per_task = 256;

// Rows that are asked for before they are read: what prefetches by itself stops where a run ends.
constexpr int64_t rows_ahead = 4;

// Sums of columns [j0, j0 + n) of x, at most a task's, j0 a multiple of 64: each one chain over the
// rows.
template <class T>
static void column_sums(const Operand<T>& x, int64_t j0, int64_t n, T* sums) {
    for (int64_t j = 0; j < round_up(n, lanes<T>); ++j) sums[j] = T(0);
    for (int64_t i = 0; i < operand_rows(x); ++i) {
        if (x.encoding == Encoding::csr) {
            for (int64_t e = csr_lower_bound(x.csr, i, j0);
                 e < x.csr.indptr[i + 1] && x.csr.indices[e] < j0 + n; ++e)
                sums[x.csr.indices[e] - j0] += csr_value(x.csr, e);
        } else if (x.encoding == Encoding::bits) {
            const uint64_t* const words = x.bits.words + i * x.bits.row_stride + j0 / 64;
            for (int64_t j = 0; j < n; j += lanes<T>)
                store(sums + j, load(sums + j) + bit_lanes<T>(words[j / 64] >> j % 64));
        } else {
            const int64_t stride = x.dense.col_stride;
            const T* row = x.dense.data + i * x.dense.row_stride + j0 * stride;
            for (int64_t j = 0; j < n; j += lanes<T>) {
                __builtin_prefetch(row + rows_ahead * x.dense.row_stride + j * stride);
                const Vec<T> values = load_lanes(row + j * stride, stride, min_of(lanes<T>, n - j));
                store(sums + j, load(sums + j) + values);
            }
        }
    }
}

// out_j = mean over rows of x_j - mean over rows of y_j, or a step along it.
template <class T>
static Status mean_difference(const Operand<T>& x, const Operand<T>& y, const Vector<T>& out,
                              const MomentumStep<T>& step, const Target& target) {
    const int64_t rows = operand_rows(x) + operand_rows(y), size = operand_cols(x);
    const T x_scale = T(1) / static_cast<T>(operand_rows(x));
    const T y_scale = T(1) / static_cast<T>(operand_rows(y));
    const int64_t share = ceil_div(size, 64) / target.num_threads;
    const int64_t tile = 64 * max_of(min_of(columns_per_task / 64, share), 1);
    const auto cost = static_cast<double>(rows * tile);
    return parallel(target, ceil_div(size, tile), cost, [&](int64_t task, int) {
        alignas(64) T difference[columns_per_task], y_sums[columns_per_task];
        const int64_t j0 = task * tile, n = min_of(tile, size - j0);
        column_sums(x, j0, n, difference);
        column_sums(y, j0, n, y_sums);
        for (int64_t j = 0; j < round_up(n, lanes<T>); ++j)
            difference[j] = difference[j] * x_scale - y_sums[j] * y_scale;
        if (step.w.data) return momentum_segment(step, 0, j0, n, difference);
        for (int64_t j = 0; j < n; ++j) out.data[(j0 + j) * out.stride] = difference[j];
    });
}

// Sampled states, which are sparse, have tiles that read rows where they are.
static bool packs_rows(Storage storage) { return storage == Storage::bfloat16; }

static Status copy_bits(const BitMatrix<const uint64_t>& from, const BitMatrix<uint64_t>& to,
                        const Target&) {
    const int64_t words = ceil_div(from.cols, 64);
    for (int64_t i = 0; i < from.rows; ++i)
        for (int64_t w = 0; w < words; ++w)
            to.words[i * to.row_stride + w] = from.words[i * from.row_stride + w];
    return Status::ok;
}

template <class T>
static constexpr GibbsFunctions<T> gibbs_functions = {
    cd<T>,           free_energy<T>,           pseudo_likelihood<T>,
    cd_workspace<T>, free_energy_workspace<T>, pseudo_likelihood_workspace<T>};

const GibbsKernels& gibbs_kernels() {
    static constexpr GibbsKernels kernels = {gibbs_functions<float>, gibbs_functions<double>};
    return kernels;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
