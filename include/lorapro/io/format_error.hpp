// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>

// Not in the inline namespace of core/namespace.hpp, like the other exceptions.
namespace lorapro {

/// A file is not what its format says, or holds what this library does not support. The message
/// names the file, the place in it, what was expected and what came.
class FormatError : public Error {
 public:
  using Error::Error;
};

}  // namespace lorapro
