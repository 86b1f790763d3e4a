// What bindings and core throw. module.cpp turns the kinds into Python exceptions.
// Messages read `op: what was required; what was received`.
#pragma once

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <utility>

namespace layerwise {

enum class ErrorKind : uint8_t { value, type, memory, runtime };

class Error : public std::exception {
public:
    Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
    ErrorKind kind() const { return kind_; }
    const char* what() const noexcept override { return message_.c_str(); }

private:
    ErrorKind kind_;
    std::string message_;
};

// Joins its arguments, printed one after the other.
template <class... Parts>
std::string cat(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

template <class... Parts>
Error value_error(const Parts&... parts) {
    return {ErrorKind::value, cat(parts...)};
}

template <class... Parts>
Error type_error(const Parts&... parts) {
    return {ErrorKind::type, cat(parts...)};
}

template <class... Parts>
Error memory_error(const Parts&... parts) {
    return {ErrorKind::memory, cat(parts...)};
}

template <class... Parts>
Error runtime_error(const Parts&... parts) {
    return {ErrorKind::runtime, cat(parts...)};
}

}  // namespace layerwise
