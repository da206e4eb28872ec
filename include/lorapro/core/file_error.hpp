// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>

#include <filesystem>    // std::filesystem::path
#include <system_error>  // std::generic_category

#if defined(__unix__) || defined(__APPLE__)
#define LORAPRO_HAS_POSIX_FILES 1
#endif

namespace lorapro {

/// A file whose bytes break a rule of its format. The message names the file, the place in it and
/// the rule.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused to open, read, write or rename a file.
class FileError : public Error {
 public:
  using Error::Error;
};

}  // namespace lorapro

LORAPRO_NAMESPACE_BEGIN
namespace detail {

/// \param code  errno, right after the call that failed; 0 where the cause is not known.
[[noreturn]] inline void fail_file(const std::filesystem::path& path, const std::string& problem,
                                   int code = 0) {
  throw FileError(path.string() + ": " + problem +
                  (code == 0 ? "" : " (" + std::generic_category().message(code) + ")"));
}

}  // namespace detail
LORAPRO_NAMESPACE_END
