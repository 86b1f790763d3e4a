// CD-k and PCD on any device: every product is gemm with an epilogue; nothing but means, packed
// states and packed copies of w is kept. Include from *_cpu.cpp and *_cuda.cu files only.
#pragma once

#include "gemm/gemm_call.h"
#include "gibbs/gibbs.h"

namespace layerwise::LW_ISA_NAMESPACE {

// --- what the device's own file defines

// out_j = mean over rows of x_j - mean over rows of y_j, or a step along it.
template <class T>
static Status mean_difference(const Operand<T>& x, const Operand<T>& y, const Vector<T>& out,
                              const MomentumStep<T>& step, const Target& target);

// Is w packed too where it is the second operand, whose rows are contiguous and could be read in
// place?
static bool packs_rows(Storage storage);

static Status copy_bits(const BitMatrix<const uint64_t>& from, const BitMatrix<uint64_t>& to,
                        const Target& target);

// --- what all share

template <class T>
LW_INLINE Matrix<T> one_row(const Vector<T>& x) {
    return {x.data, 1, x.size, 0, x.stride};
}

// Where the parts of a call's workspace lie.
struct CdLayout {
    size_t packed_hidden, packed_visible;  // w' (k = D, n = F) and w (k = F, n = D)
    size_t data_hidden, chain_hidden;      // means, (B,F) and (C,F)
    size_t hidden_bits, visible_bits, visible_means;
    size_t gemm, gemm_bytes, total;
};

template <class T>
static CdLayout cd_layout(GibbsShape s, const Target& target) {
    if (s.chains == 0) s.chains = s.batch;
    const GemmFunctions<T>& gemm = gemm_functions<T>();
    CdLayout l{};
    size_t at = 0;
    auto take = [&](size_t bytes) {
        const size_t start = at;
        at += (bytes + 63) / 64 * 64;
        return start;
    };
    auto cells = [](int64_t rows, int64_t cols) { return static_cast<size_t>(rows * cols); };
    const bool rows = packs_rows(s.storage);
    l.packed_hidden = take(gemm.packed_b_bytes(s.visible, s.hidden, s.storage));
    l.packed_visible = take(rows ? gemm.packed_b_bytes(s.hidden, s.visible, s.storage) : 0);
    l.data_hidden = take(cells(s.batch, s.hidden) * sizeof(T));
    l.chain_hidden = take(cells(s.chains, s.hidden) * sizeof(T));
    l.hidden_bits = take(cells(s.chains, ceil_div(s.hidden, 64)) * 8);
    l.visible_bits = take(cells(s.chains, ceil_div(s.visible, 64)) * 8);
    l.visible_means = take(cells(s.chains, s.visible) * sizeof(T));
    l.gemm = at;
    const int64_t most = max_of(s.batch, s.chains);
    const GemmShape products[] = {{most, s.hidden, s.visible, 0, true},
                                  {most, s.visible, s.hidden, 0, rows},
                                  {s.hidden, s.visible, s.batch + s.chains, 0, false}};
    for (const GemmShape& product : products) {
        const size_t bytes = gemm.workspace(product, target);
        if (bytes > l.gemm_bytes) l.gemm_bytes = bytes;
    }
    l.total = at + l.gemm_bytes;
    return l;
}

// One call's state: the half-steps share everything but their input and output.
template <class T>
struct CdRun {
    const GibbsCdArgs<T>& args;
    const Target& target;
    GibbsShape shape;
    CdLayout layout;

    template <class U>
    U* at(size_t offset) const {
        return reinterpret_cast<U*>(static_cast<char*>(args.workspace) + offset);
    }

    Matrix<T> matrix(size_t offset, int64_t rows, int64_t cols) const {
        return {at<T>(offset), rows, cols, cols, 1};
    }

    BitMatrix<uint64_t> bits(size_t offset, int64_t rows, int64_t cols) const {
        return {at<uint64_t>(offset), rows, cols, ceil_div(cols, 64)};
    }

    // mean and/or sample of the units on the other side of w, given the states x of this one.
    Status half_step(const Operand<T>& x, bool to_hidden, int sweep, Matrix<T> mean,
                     BitMatrix<uint64_t> sample) const {
        GemmArgs<T> g;
        g.a = x;
        g.b.dense = to_hidden ? transposed(args.w) : args.w;
        if (to_hidden)
            g.packed_b = at<char>(layout.packed_hidden);
        else if (packs_rows(args.storage))
            g.packed_b = at<char>(layout.packed_visible);
        g.storage = args.storage;
        g.epilogue.bias = to_hidden ? args.a : args.b;
        g.epilogue.activation = Activation::sigmoid;
        g.mean = mean;
        if (sample.words) {
            g.epilogue.noise = Noise::bernoulli;
            g.epilogue.random = args.random;
            const Purpose purpose = to_hidden ? purpose_gibbs_hidden : purpose_gibbs_visible;
            g.epilogue.random.purpose = purpose << 16 | (args.random.purpose & 0xffff);
            g.epilogue.random.step += static_cast<uint32_t>(sweep);
            g.sample_bits = sample;
        }
        g.workspace = at<char>(layout.gemm);
        g.workspace_bytes = layout.gemm_bytes;
        return gemm_functions<T>().run(g, target);
    }

    Status pack_weights() const {
        const GemmFunctions<T>& gemm = gemm_functions<T>();
        const Matrix<const T>& w = args.w;
        const Status status = gemm.pack_b(dense_operand(transposed(w)), args.storage,
                                          at<char>(layout.packed_hidden), target);
        if (status != Status::ok || !packs_rows(args.storage)) return status;
        return gemm.pack_b(dense_operand(w), args.storage, at<char>(layout.packed_visible), target);
    }

    // dw = (data_hidden' v - chain_hidden' chain_visible), each side over its own number of rows,
    // and likewise db, da: stored, or a step along them.
    Status statistics(const Matrix<T>& data_hidden, const Matrix<T>& chain_hidden,
                      const Operand<T>& chain_visible) const {
        GemmArgs<T> g;
        g.a.dense = {data_hidden.data, shape.hidden, shape.batch, 1, shape.hidden};
        g.a_tail.dense = {chain_hidden.data, shape.hidden, shape.chains, 1, shape.hidden};
        g.b = args.v;
        g.b_tail = chain_visible;
        g.tail_scale = -static_cast<T>(shape.batch) / static_cast<T>(shape.chains);
        g.epilogue.alpha = T(1) / static_cast<T>(shape.batch);
        g.mean = args.dw;
        g.workspace = at<char>(layout.gemm);
        g.workspace_bytes = layout.gemm_bytes;
        const GibbsCdStep<T>& step = args.step;
        const Momentum<T> bias_rule = {step.rule.rate, step.rule.momentum, T(0)};
        g.epilogue.step = {step.w, step.w_velocity, step.rule};
        Target whole = target;  // the biases' steps belong to the weights'
        if (step.w.data) whole.poll = nullptr;
        Status status = gemm_functions<T>().run(g, whole);
        if (status != Status::ok) return status;
        status = mean_difference(args.v, chain_visible, args.db,
                                 {one_row(step.b), one_row(step.b_velocity), bias_rule}, whole);
        if (status != Status::ok) return status;
        return mean_difference(dense_operand(data_hidden), dense_operand(chain_hidden), args.da,
                               {one_row(step.a), one_row(step.a_velocity), bias_rule}, whole);
    }

    // k sweeps from the hidden states (CD, first_hidden_known) or from visible states (PCD).
    Status sweep_chains(bool first_hidden_known, Operand<T>& visible) const {
        const BitMatrix<uint64_t> hidden = bits(layout.hidden_bits, shape.chains, shape.hidden);
        for (int s = 0; s < args.k; ++s) {
            if (s > 0 || !first_hidden_known) {
                const Status status = half_step(visible, true, s, {}, hidden);
                if (status != Status::ok) return status;
            }
            Matrix<T> mean;
            BitMatrix<uint64_t> sample;
            if (args.visible_means) {
                mean = matrix(layout.visible_means, shape.chains, shape.visible);
                visible = dense_operand(mean);
            } else {
                sample = bits(layout.visible_bits, shape.chains, shape.visible);
                visible = bits_operand<T>(sample);
            }
            const Status status = half_step(bits_operand<T>(hidden), false, s, mean, sample);
            if (status != Status::ok) return status;
        }
        return Status::ok;
    }

    Status run() const {
        const bool persistent = args.chains.words != nullptr;
        const Matrix<T> data_hidden = matrix(layout.data_hidden, shape.batch, shape.hidden);
        const Matrix<T> chain_hidden = matrix(layout.chain_hidden, shape.chains, shape.hidden);
        Status status = pack_weights();
        if (status != Status::ok) return status;
        BitMatrix<uint64_t> first_hidden;
        if (!persistent) first_hidden = bits(layout.hidden_bits, shape.chains, shape.hidden);
        status = half_step(args.v, true, 0, data_hidden, first_hidden);
        if (status != Status::ok) return status;
        Operand<T> visible = persistent ? bits_operand<T>(args.chains) : args.v;
        status = sweep_chains(!persistent, visible);
        if (status != Status::ok) return status;
        status = half_step(visible, true, args.k, chain_hidden, {});
        if (status != Status::ok) return status;
        status = statistics(data_hidden, chain_hidden, visible);
        if (status != Status::ok || !persistent) return status;
        // Only at the very end, so that an interrupted call leaves the chains where they were.
        return copy_bits(visible.bits, args.chains, target);
    }
};

template <class T>
static Status cd(const GibbsCdArgs<T>& args, const Target& target) {
    GibbsShape shape;
    shape.batch = operand_rows(args.v);
    shape.chains = args.chains.words ? args.chains.rows : shape.batch;
    shape.visible = args.w.cols;
    shape.hidden = args.w.rows;
    shape.storage = args.storage;
    return CdRun<T>{args, target, shape, cd_layout<T>(shape, target)}.run();
}

template <class T>
static size_t cd_workspace(const GibbsShape& s, const Target& target) {
    return cd_layout<T>(s, target).total;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
