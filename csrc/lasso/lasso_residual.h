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

    // residual = x - a Phi
    void make_residual(const LassoScratch<double>& s) const {
        for (int64_t k = 0; k < own.width; ++k) own.residual[k] = own.x[k];
        for (int64_t i = 0; i < s.size; ++i) add_atom(own.residual, s.atom[i], -s.code[i]);
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
        for (int64_t i = 0; i < s.size; ++i) s.row[i] = product(j, atom(s.atom[i]));
    }

    void open_sweeps(LassoScratch<double>&) const {}

    double left(const LassoScratch<double>&, int64_t j) const { return product(j, own.residual); }

    void move(LassoScratch<double>&, int64_t j, double change) const {
        add_atom(own.residual, j, -change);
    }
};

}  // namespace layerwise::LW_ISA_NAMESPACE
