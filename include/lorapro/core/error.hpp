// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

#include <cstdint>      // std::int64_t
#include <cstdio>       // std::snprintf
#include <stdexcept>    // std::runtime_error
#include <string>       // std::string, std::to_string
#include <type_traits>  // std::is_floating_point_v

// Not in the inline namespace of core/namespace.hpp: an exception thrown by a unit compiled for one
// instruction set must be caught by type in a unit compiled for another.
namespace lorapro {

/// Base of every exception the library throws. Nothing has been written when one is thrown.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Sizes, strides or memory ranges of the arguments do not fit each other.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A field of a config struct is out of its range, or an option needs what was not given.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// The call is not possible in the object's present state (merge twice, a handle that was
/// detached).
class StateError : public Error {
 public:
  using Error::Error;
};

}  // namespace lorapro

LORAPRO_NAMESPACE_BEGIN

/// Checks of arguments; each throws one precise message and writes nothing.
namespace checks {

inline std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
}

/// Throws ShapeError "name: expected (a, b), got (c, d)" unless the shapes are equal.
inline void shape(const char* name, std::int64_t rows, std::int64_t cols,
                  std::int64_t expected_rows, std::int64_t expected_cols) {
  if (rows == expected_rows && cols == expected_cols) return;
  throw ShapeError(std::string(name) + ": expected " + shape_text(expected_rows, expected_cols) +
                   ", got " + shape_text(rows, cols));
}

/// A number as %g writes it.
template <typename Value>
std::string number_text(Value value) {
  if constexpr (std::is_floating_point_v<Value>) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
    return text;
  } else {
    return std::to_string(value);
  }
}

/// Throws ConfigError "name: expected <expected>, got <value>" unless `valid`.
template <typename Value>
void config(bool valid, const char* name, const char* expected, Value value) {
  if (valid) return;
  throw ConfigError(std::string(name) + ": expected " + expected + ", got " + number_text(value));
}

/// Returns f(); what the library throws in it gets "<name>: " before its message.
template <typename F>
auto naming(const std::string& name, const F& f) {
  try {
    return f();
  } catch (const ShapeError& error) {
    throw ShapeError(name + ": " + error.what());
  } catch (const ConfigError& error) {
    throw ConfigError(name + ": " + error.what());
  } catch (const StateError& error) {
    throw StateError(name + ": " + error.what());
  }
}

}  // namespace checks

LORAPRO_NAMESPACE_END
