// One step of gradient ascent with momentum, the same for the pass over stored gradients and for
// gradients that a product has just finished:
//
//   velocity = momentum velocity + rate (gradient - weight_decay w);  w = w + velocity
#pragma once

#include "core/matrix.h"

namespace layerwise {

template <class T>
struct Momentum {
    T rate = 0, momentum = 0, weight_decay = 0;
};

template <class T>
constexpr Momentum<T> converted(const Momentum<double>& rule) {
    return {static_cast<T>(rule.rate), static_cast<T>(rule.momentum),
            static_cast<T>(rule.weight_decay)};
}

// The step of a whole matrix: w and its velocity, of one shape; data null: none.
template <class T>
struct MomentumStep {
    Matrix<T> w, velocity;
    Momentum<T> rule;
};

}  // namespace layerwise
