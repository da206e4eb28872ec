// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/error.hpp>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <string>

#include "labelled_images.hpp"  // DataMissing
#include "run_options.hpp"      // UsageError

namespace examples {

/// The exit code by which a test driver knows that a test could not run.
inline constexpr int kExitDataMissing = 77;

/// Runs the body of a program; an error becomes one line and an exit code.
/// \param remedy  how to get the data, where they are missing.
template <typename Body>
int run_program(const std::string& name, const std::string& remedy, const Body& body) {
  const auto fail = [&](const std::string& message, int code) {
    fmt::print(stderr, "{}: {}\n", name, message);
    return code;
  };
  try {
    body();
    return 0;
  } catch (const UsageError& error) {
    return fail(error.what(), 2);
  } catch (const lorapro::ConfigError& error) {
    return fail(error.what(), 2);
  } catch (const DataMissing& error) {
    return fail(std::string(error.what()) + " (" + remedy + ")", kExitDataMissing);
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}

}  // namespace examples
