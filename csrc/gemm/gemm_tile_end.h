// What becomes of a tile's sums at once where no pass over the block is needed: a step with
// momentum, or a formula of each sum alone. The tile brings the rows that this reads and writes.
#pragma once

#include "gemm/activation.h"
#include "gemm/gemm_strip.h"
#include "gemm/momentum_cpu.h"

namespace layerwise::LW_ISA_NAMESPACE {

// A tile of fewer steps has no time to bring those rows.
constexpr int64_t least_k_of_tile_end = 16;

// Does the epilogue work so?
template <class T>
LW_INLINE bool has_tile_end(const Epilogue<T>& e, const Matrix<T>& mean) {
    if (e.beta != T(0) || e.noise != Noise::none) return false;
    const auto rows = [](const auto& x) { return !x.data || x.col_stride == 1; };
    const bool formula = e.bias.data || e.activation != Activation::none || e.gate.data;
    if (e.step.w.data) return !formula && !mean.data && rows(e.step.w) && rows(e.step.velocity);
    return mean.data && rows(mean) && rows(e.gate);
}

// That of a block whose first element is (i0, j0).
template <class T>
struct TileEnd {
    const Epilogue<T>& e;
    const Matrix<T>& mean;
    int64_t i0, j0;

    // Rows from i on, from column j on, counted in the block; perhaps past it, to be brought. Data
    // null: there are none.
    Strip<T> reads(int64_t i, int64_t j) const {
        const MomentumStep<T>& step = e.step;
        return step.w.data ? rows_of(step.w, i, j) : rows_of(e.gate, i, j);
    }
    Strip<T> writes(int64_t i, int64_t j) const {
        return e.step.w.data ? rows_of(e.step.velocity, i, j) : rows_of(mean, i, j);
    }

    // Rows [i, i + height), columns [j, j + n), from sums readable up to round_up(n, lanes).
    void take(int64_t i, int64_t height, int64_t j, int64_t n, const Sums<T>& sums) const {
        const Matrix<T>&w = e.step.w, &velocity = e.step.velocity;
        if (!w.data)
            return visit_activation(e.activation,
                                    [&]<Activation f>() { formula<f>(i, height, j, n, sums); });
        for (int64_t r = 0; r < height; ++r)
            momentum_run(e.step.rule, at(w, i + r, j), 1, at(velocity, i + r, j), 1, n,
                         sums.at(r, 0).data, e.alpha);
    }

private:
    template <class U>
    U* at(const Matrix<U>& x, int64_t i, int64_t j) const {
        return x.data + (i0 + i) * x.row_stride + j0 + j;
    }
    template <class U>
    Strip<T> rows_of(const Matrix<U>& x, int64_t i, int64_t j) const {
        if (!x.data) return {nullptr, 0};
        return {at(x, i, j), x.row_stride};
    }

    // y = f(z) or z f'(gate) where z = alpha s + bias.
    template <Activation f>
    void formula(int64_t i, int64_t height, int64_t j, int64_t n, const Sums<T>& sums) const {
        const Strip<T> gate = reads(i, j);
        const Sums<T> out = {at(mean, i, j), mean.row_stride};
        const T alpha = e.alpha;
        const bool biased = e.bias.data;
        for (int64_t c = 0; c < n; c += lanes<T>) {
            const int64_t valid = min_of(lanes<T>, n - c);
            const T* const from = e.bias.data + (j0 + j + c) * e.bias.stride;
            const Vec<T> bias = biased ? load_lanes(from, e.bias.stride, valid) : Vec<T>{};
            for (int64_t r = 0; r < height; ++r) {
                Vec<T> y = load(sums.at(r, c).data) * alpha;
                if (biased) y = y + bias;
                if (!gate.data)
                    y = activate<T>(f, y);
                else if (f != Activation::none)
                    y = y *
                        activation_slope<T>(f, load_lanes(gate.data + r * gate.step + c, 1, valid));
                store_lanes(out.at(r, c).data, 1, y, valid);
            }
        }
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
