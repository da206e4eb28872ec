// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the reference files of tests/golden have in common.

#include <lorapro/core/error.hpp>
#include <lorapro/core/numeric.hpp>
#include <lorapro/io/safetensors.hpp>

#include <cmath>
#include <stdexcept>
#include <string>

namespace example {

using lorapro::io::SafetensorsReader;

[[noreturn]] inline void fail(const SafetensorsReader& file, const std::string& problem) {
  throw lorapro::FormatError(file.path().string() + ": " + problem);
}

/// The number that a metadata entry spells.
inline double metadata_number(const SafetensorsReader& file, const std::string& key) {
  try {
    return std::stod(file.metadata(key));
  } catch (const std::logic_error&) {
    fail(file, "has a metadata entry " + key + " that is not a number");
  }
}

/// The same of a size, at least 1.
inline lorapro::Index metadata_size(const SafetensorsReader& file, const std::string& key) {
  const double number = metadata_number(file, key);
  if (!(number >= 1 && number <= 1e6 && number == std::floor(number)))
    fail(file, "has a metadata entry " + key + " that is not a whole number from 1 to 1000000");
  return static_cast<lorapro::Index>(number);
}

/// NaN if either is.
inline double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }

}  // namespace example
