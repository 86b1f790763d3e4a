// The inverse H of the active atoms' Gram matrix, kept up to date as atoms join. Include from
// *_cpu.cpp files only.
#pragma once

#include "lasso/lasso_signal.h"

namespace layerwise::LW_ISA_NAMESPACE {

// Kept out of the loops that are hot.
#define LW_RARE static __attribute__((noinline))

// An atom joins if what the active ones leave of it is more than this share of its square norm.
template <class T>
constexpr T least_remainder = sizeof(T) == 4 ? T(1e-4) : T(1e-10);
// It stays if it is more than this: another order of the atoms brings smaller ones to light.
template <class T>
constexpr T kept_remainder = T(1e-3) * least_remainder<T>;

template <class T>
LW_INLINE int64_t vectors_of(int64_t size) {
    return ceil_div(size, lanes<T>);
}

// x = H p and, where `both`, y = H q over `count` vectors of rows from row on.
template <class T, int count, bool both>
LW_INLINE void multiply_rows(const LassoScratch<T>& s, int64_t row, const T* p, const T* q, T* x,
                             T* y) {
    Vec<T> sx[count] = {}, sy[count] = {};
    const T* h = s.inverse + row;
    for (int64_t i = 0; i < s.size; ++i, h += s.inverse_ld) {
        const Vec<T> pi = splat(p[i]), qi = both ? splat(q[i]) : Vec<T>{};
#pragma GCC unroll 4
        for (int v = 0; v < count; ++v) {
            const Vec<T> column = load(h + v * lanes<T>);
            sx[v] = fma(column, pi, sx[v]);
            if (both) sy[v] = fma(column, qi, sy[v]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < count; ++v) {
        store(x + row + v * lanes<T>, sx[v]);
        if (both) store(y + row + v * lanes<T>, sy[v]);
    }
}

template <class T, bool both>
LW_INLINE void multiply_inverse(const LassoScratch<T>& s, const T* p, const T* q, T* x, T* y) {
    const int64_t size = vectors_of<T>(s.size) * lanes<T>;
    int64_t row = 0;
    for (; row + 4 * lanes<T> <= size; row += 4 * lanes<T>)
        multiply_rows<T, 4, both>(s, row, p, q, x, y);
    for (; row + 2 * lanes<T> <= size; row += 2 * lanes<T>)
        multiply_rows<T, 2, both>(s, row, p, q, x, y);
    if (row < size) multiply_rows<T, 1, both>(s, row, p, q, x, y);
}

template <class T>
LW_INLINE T dot(const T* x, const T* y, int64_t size) {
    Vec<T> sum = {};
    for (int64_t i = 0; i < size; i += lanes<T>) sum = fma(load(x + i), load(y + i), sum);
    return sum_lanes<T>(sum);
}

// x[i] = value, as a vector: what loads it next need not wait for a store of one lane.
template <class T>
LW_INLINE void set_lane(T* x, int64_t i, T value) {
    const int64_t first = i / lanes<T> * lanes<T>;
    const IntVec<T> at = first_lanes<T>(i - first + 1) ^ first_lanes<T>(i - first);
    store(x + first, select<T>(at, splat(value), load(x + first)));
}

// H += scale v v' over `size` rows and columns.
template <class T>
LW_INLINE void add_outer(const LassoScratch<T>& s, const T* v, T scale, int64_t size) {
    T* h = s.inverse;
    const int64_t rows = vectors_of<T>(size) * lanes<T>;
    for (int64_t i = 0; i < size; ++i, h += s.inverse_ld) {
        const Vec<T> factor = splat(scale * v[i]);
        for (int64_t row = 0; row < rows; row += lanes<T>)
            store(h + row, fma(factor, load(v + row), load(h + row)));
    }
}

// Opens row and column `size` of H, and the places of its coefficient in what goes with H.
template <class T>
LW_INLINE void open_place(LassoScratch<T>& s) {
    const int64_t size = s.size, rows = vectors_of<T>(size + 1) * lanes<T>;
    const Vec<T> zero = {};
    T* column = s.inverse + size * s.inverse_ld;
    for (int64_t row = 0; row < rows; row += lanes<T>) store(column + row, zero);
    if (size % lanes<T> != 0) return;
    for (int64_t i = 0; i < size; ++i) store(s.inverse + i * s.inverse_ld + size, zero);
    T* const places[] = {s.row, s.step, s.column};
    for (T* place : places) store(place + size, zero);
}

// Atom j joins with code 0: H becomes the inverse with its row and column, and step = H gradient.
// False, and nothing but scratch changed, where it lies in the span of the others: phi_j is then
// the sum of s.column times theirs.
template <class T, class Form>
LW_INLINE bool join(const Form& form, LassoScratch<T>& s, int64_t j, T sign, T gradient,
                    T least = least_remainder<T>) {
    const int64_t size = s.size;
    open_place(s);
    T* const places[] = {s.code, s.sign, s.gradient};
    for (T* place : places)
        if (size % lanes<T> == 0) store(place + size, Vec<T>{});
    form.products(s, j);
    multiply_inverse<T, true>(s, s.row, s.gradient, s.column, s.step);
    const int64_t rows = vectors_of<T>(size) * lanes<T>;
    const T square = form.square(j) + ridge_of(form.signal, j);
    const T remainder = square - dot(s.row, s.column, rows);
    const T ahead = gradient - dot(s.column, s.gradient, rows);
    if (!(remainder > least * square)) return false;
    const T scale = T(1) / remainder;
    s.atom[size] = static_cast<int32_t>(j);
    set_lane(s.column, size, T(-1));
    set_lane(s.code, size, T(0));
    set_lane(s.sign, size, sign);
    set_lane(s.gradient, size, gradient);
    s.size = size + 1;
    const Vec<T> back = splat(-ahead * scale);
    for (int64_t row = 0; row < size + 1; row += lanes<T>)
        store(s.step + row, fma(back, load(s.column + row), load(s.step + row)));
    add_outer(s, s.column, scale, size + 1);
    return true;
}

// H made afresh of the active atoms, less those of which the others leave no more than the share
// `least`. False where there were any: the codes are then to be solved for again.
template <class T, class Form>
LW_RARE bool rebuild(const Form& form, LassoScratch<T>& s, T least) {
    int64_t size = s.size;
    bool complete = true;
    for (s.size = 0; s.size < size;) {
        open_place(s);
        const int64_t j = s.atom[s.size], rows = vectors_of<T>(s.size) * lanes<T>;
        form.products(s, j);
        multiply_inverse<T, false>(s, s.row, nullptr, s.column, nullptr);
        const T square = form.square(j) + ridge_of(form.signal, j);
        const T remainder = square - dot(s.row, s.column, rows);
        if (remainder > least * square) {
            s.column[s.size] = T(-1);
            add_outer(s, s.column, T(1) / remainder, s.size + 1);
            ++s.size;
            continue;
        }
        complete = false;
        s.atom[s.size] = s.atom[--size];
        T* const places[] = {s.code, s.sign, s.gradient};
        for (T* place : places) place[s.size] = place[size], place[size] = T(0);
    }
    return complete;
}

template <class T>
LW_INLINE bool is_active(const LassoScratch<T>& s, int64_t atom) {
    constexpr int64_t step = lanes<float>;
    const IntVec<float> wanted = IntVec<float>{} + static_cast<int32_t>(atom);
    uint64_t any = 0;
    for (int64_t i = 0; i < s.size; i += step) {
        any |= movemask<float>((load(s.atom + i) == wanted) & first_lanes<float>(s.size - i));
    }
    return any != 0;
}

}  // namespace layerwise::LW_ISA_NAMESPACE
