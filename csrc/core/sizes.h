// Sizes: the shape or the strides of an array.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace layerwise {

// One number a dimension, kept in place: a call reads a dozen arrays, and two vectors for each took
// a tenth of what a tiny product took.
class Sizes {
public:
    static constexpr size_t most = 64;  // what NumPy and torch allow

    Sizes() = default;
    Sizes(std::initializer_list<int64_t> values) : Sizes(values.begin(), values.size()) {}
    template <class Integer>
    Sizes(const Integer* values, size_t count) : count_(count) {
        std::copy_n(values, count, values_);
    }
    explicit Sizes(size_t count) : count_(count) {}  // any numbers
    Sizes(const Sizes& other) : Sizes(other.values_, other.count_) {}
    Sizes& operator=(const Sizes& other) {
        count_ = other.count_;
        std::copy_n(other.values_, count_, values_);
        return *this;
    }

    size_t size() const { return count_; }
    const int64_t* data() const { return values_; }
    const int64_t* begin() const { return values_; }
    const int64_t* end() const { return values_ + count_; }
    int64_t& operator[](size_t i) { return values_[i]; }
    int64_t operator[](size_t i) const { return values_[i]; }
    bool operator==(const Sizes& other) const {
        return std::equal(begin(), end(), other.begin(), other.end());
    }

private:
    size_t count_ = 0;
    int64_t values_[most];
};

}  // namespace layerwise
