// A signal's problem in residual form. Include from *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_inverse.h"

namespace layerwise::LW_ISA_NAMESPACE {

struct ResidualForm {
    static constexpr bool general = true;
    const LassoModel<double>& model;
    const LassoSignal<double>& signal;
    const ResidualSignal& own;

    const double* atom(int64_t j) const { return own.atoms + j * own.width; }

    // y += factor phi_j
    void add_atom(double* y, int64_t j, double factor) const {
        const double* phi = atom(j);
        const Vec<double> by = splat(factor);
        for (int64_t k = 0; k < own.width; k += lanes<double>)
            store(y + k, fma(by, load(phi + k), load(y + k)));
    }

    // out_j = y phi_j' for all atoms, four at a time
    void correlate(const double* y, double* out) const {
        constexpr int rows = 4;
        for (int64_t j = 0; j < model.padded; j += rows) {
            Vec<double> sum[rows] = {};
            for (int64_t k = 0; k < own.width; k += lanes<double>) {
                const Vec<double> value = load(y + k);
                for (int row = 0; row < rows; ++row)
                    sum[row] = fma(value, load(atom(j + row) + k), sum[row]);
            }
            for (int row = 0; row < rows; ++row) out[j + row] = sum_lanes<double>(sum[row]);
        }
    }

    // visit(i, y phi_j') for the atoms j listed, likewise
    template <class Visit>
    void correlate_listed(const int32_t* atoms, int64_t count, const double* y, Visit visit) const {
        constexpr int rows = 4;
        for (int64_t i = 0; i < count; i += rows) {
            const double* phi[rows];
            Vec<double> sum[rows] = {};
            double out[rows];
            LW_UNROLL(4)
            for (int row = 0; row < rows; ++row) phi[row] = atom(atoms[min_of(i + row, count - 1)]);
            for (int64_t k = 0; k < own.width; k += lanes<double>) {
                const Vec<double> value = load(y + k);
                LW_UNROLL(4)
                for (int row = 0; row < rows; ++row)
                    sum[row] = fma(value, load(phi[row] + k), sum[row]);
            }
            LW_UNROLL(4)
            for (int row = 0; row < rows; ++row) out[row] = sum_lanes<double>(sum[row]);
            for (int64_t row = 0; row < min_of(rows, count - i); ++row) visit(i + row, out[row]);
        }
    }

    // residual = x - a Phi, some vectors of it at a time
    void make_residual(const LassoScratch<double>& s) const {
        constexpr int block = 8;
        int64_t k = 0;
        for (; k + block * lanes<double> <= own.width; k += block * lanes<double>)
            make_residual<block>(s, k);
        for (; k < own.width; k += lanes<double>) make_residual<1>(s, k);
    }

    template <int vectors>
    void make_residual(const LassoScratch<double>& s, int64_t k) const {
        Vec<double> left[vectors];
        LW_UNROLL(8)
        for (int v = 0; v < vectors; ++v) left[v] = load(own.x + k + v * lanes<double>);
        for (int64_t i = 0; i < s.size; ++i) {
            const double* phi = atom(s.atom[i]) + k;
            const Vec<double> code = splat(-s.code[i]);
            LW_UNROLL(8)
            for (int v = 0; v < vectors; ++v)
                left[v] = fma(code, load(phi + v * lanes<double>), left[v]);
        }
        LW_UNROLL(8)
        for (int v = 0; v < vectors; ++v) store(own.residual + k + v * lanes<double>, left[v]);
    }

    double refresh(LassoScratch<double>& s) const {
        make_residual(s);
        correlate(own.residual, own.correlations);
        for (int64_t i = 0; i < s.size; ++i)
            own.correlations[s.atom[i]] -= ridge_of(signal, s.atom[i]) * s.code[i];
        LassoSignal<double> left = signal;
        left.c = own.correlations;
        const int64_t size = s.size;
        s.size = 0;  // nothing more to subtract: r, its peaks and the largest
        const double top = layerwise::LW_ISA_NAMESPACE::refresh<double, true>(model, left, s);
        s.size = size;
        return top;
    }

    double share(const LassoScratch<double>& s, int64_t i) const {
        return ridge_of(signal, s.atom[i]) * s.code[i] * s.code[i];
    }

    double rest(const LassoScratch<double>&, double shares) const {
        return dot(own.residual, own.residual, own.width) + shares;
    }

    double product(int64_t j, const double* y) const { return dot(atom(j), y, own.width); }

    double square(int64_t j) const { return product(j, atom(j)); }

    void products(LassoScratch<double>& s, int64_t j) const {
        correlate_listed(s.atom, s.size, atom(j), [&](int64_t i, double g) { s.row[i] = g; });
    }

    void open_sweeps(LassoScratch<double>&) const {}

    double left(const LassoScratch<double>&, int64_t j) const { return product(j, own.residual); }

    void move(LassoScratch<double>&, int64_t j, double change) const {
        add_atom(own.residual, j, -change);
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
