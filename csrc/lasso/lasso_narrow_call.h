// What float32 sees of a float64 call: rows, atoms, Gram matrix. Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_layout.h"
#include "lasso/lasso_narrow.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Row by row, row i times scale[i] where that is given.
LW_INLINE void narrow_copy(const Matrix<const double>& x, const double* scale, float* out) {
    for (int64_t i = 0; i < x.rows; ++i, out += x.cols) {
        const double* row = x.data + i * x.row_stride;
        const double by = scale ? scale[i] : 1;
        if (x.col_stride == 1)
            for (int64_t k = 0; k < x.cols; ++k) out[k] = static_cast<float>(by * row[k]);
        else
            for (int64_t k = 0; k < x.cols; ++k)
                out[k] = static_cast<float>(by * row[k * x.col_stride]);
    }
}

// All rows of x, in `values` (rows x features) and, where they are sparse, `indptr`.
LW_INLINE Operand<float> narrow_rows(const Operand<double>& x, float* values, int64_t* indptr) {
    Operand<float> out;
    out.encoding = x.encoding;
    if (x.encoding == Encoding::bits) {
        out.bits = x.bits;
    } else if (x.encoding == Encoding::csr) {
        const CsrMatrix<double>& from = x.csr;
        const int64_t begin = from.indptr[0];
        for (int64_t r = 0; r <= from.rows; ++r) indptr[r] = from.indptr[r] - begin;
        for (int64_t e = 0; from.values && e < indptr[from.rows]; ++e)
            values[e] = static_cast<float>(from.values[begin + e]);
        out.csr = {indptr, from.indices + begin, from.values ? values : nullptr, from.rows,
                   from.cols};
    } else {
        narrow_copy(x.dense, nullptr, values);
        out.dense = {values, x.dense.rows, x.dense.cols, x.dense.cols, 1};
    }
    return out;
}

struct NarrowCall {
    const LassoLayout& layout;
    const LassoShape& shape;
    char* workspace;

    template <class U>
    U* at(size_t offset) const {
        return reinterpret_cast<U*>(workspace + offset);
    }

    // Atoms and Gram matrix; `unit`: of norm one each, but for zero atoms.
    Status prepare(const Matrix<const double>& phi, const double* gram, bool unit,
                   const Target& target) const {
        const NarrowLayout& l = layout.narrow;
        const int64_t k = shape.atoms, d = shape.features;
        auto *atoms = at<float>(l.phi), *narrow_gram = at<float>(l.gram);
        auto *norms = at<double>(l.norms), *scale = at<double>(l.scale);
        for (int64_t j = 0; j < k; ++j) {
            norms[j] = __builtin_sqrt(gram[j * layout.ld + j]);
            scale[j] = !unit ? 1 : norms[j] > 0 ? 1 / norms[j] : 0;
        }
        for (int64_t j = 0; j < k; ++j) {
            const double* from = gram + j * layout.ld;
            float* to = narrow_gram + j * l.ld;
            for (int64_t i = 0; i < k; ++i)
                to[i] = static_cast<float>(from[i] * scale[j] * scale[i]);
            for (int64_t i = k; i < l.ld; ++i) to[i] = 0;
        }
        narrow_copy(phi, scale, atoms);
        const Matrix<const float> columns = {atoms, d, k, 1, d};
        return gemm_functions<float>().pack_b(dense_operand(columns), Storage::full,
                                              at<char>(l.packed_phi), target);
    }

    // The correlations of a block of signals, in a thread's memory.
    void correlate(const Operand<double>& x, char* memory, const Target& target) const {
        const NarrowLayout& l = layout.narrow;
        const int64_t rows = operand_rows(x), padded = l.solver.padded;
        auto* c = reinterpret_cast<float*>(memory + l.correlations);
        GemmArgs<float> g;
        g.a = narrow_rows(x, reinterpret_cast<float*>(memory + l.x),
                          reinterpret_cast<int64_t*>(memory + l.indptr));
        g.b.dense.rows = shape.features;
        g.b.dense.cols = shape.atoms;
        g.packed_b = at<char>(l.packed_phi);
        g.mean = {c, rows, shape.atoms, padded, 1};
        g.workspace = memory;
        g.workspace_bytes = layout.gemm_bytes;
        gemm_functions<float>().run(g, one_thread(target));
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = shape.atoms; j < padded; ++j) c[r * padded + j] = 0;
    }

    // A thread's view of the problems that `m` is for. Its rounding takes some of the tolerance.
    LassoModel<float> model(const LassoModel<double>& m) const {
        return {.gram = at<const float>(layout.narrow.gram),
                .atoms = shape.atoms,
                .padded = layout.narrow.solver.padded,
                .ld = layout.narrow.ld,
                .capacity = layout.narrow.solver.capacity,
                .alpha = static_cast<float>(m.alpha),
                .tolerance = 0.9F * static_cast<float>(m.tolerance),
                .longest = static_cast<float>(m.longest),
                .unit = static_cast<float>(m.unit),
                .nonnegative = m.nonnegative,
                .max_iterations = m.max_iterations};
    }

    const float* correlations_of(int64_t row, const char* memory) const {
        const NarrowLayout& l = layout.narrow;
        return reinterpret_cast<const float*>(memory + l.correlations) + row * l.solver.padded;
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
