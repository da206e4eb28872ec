// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>

#include <filesystem>         // std::filesystem::path
#include <nlohmann/json.hpp>  // nlohmann::json
#include <string>             // std::string
#include <string_view>        // std::string_view
#include <system_error>       // std::generic_category

#if defined(__unix__) || defined(__APPLE__)
#define LORAPRO_HAS_POSIX_FILES 1
#endif

namespace lorapro {

/// A file whose bytes break a rule of its format. The message names the file, the tensor or key
/// where there is one, and the rule.
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
namespace io {

using ::lorapro::FileError;
using ::lorapro::FormatError;

namespace detail {

/// A name that came from a file, for a message: in quotes, escaped, at most 120 bytes of it.
inline std::string quoted_name(std::string_view name) {
  constexpr std::size_t kLongest = 120;
  const bool cut = name.size() > kLongest;
  const nlohmann::json text = std::string(name.substr(0, kLongest)) + (cut ? "..." : "");
  return text.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

/// A JSON value that came from a file, for a message.
inline std::string shown(const nlohmann::json& json) {
  constexpr std::size_t kLongest = 120;
  const std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
}

/// \param code  errno, right after the call that failed; 0 where the cause is not known.
[[noreturn]] inline void fail_file(const std::filesystem::path& path, const std::string& problem,
                                   int code = 0) {
  throw FileError(path.string() + ": " + problem +
                  (code == 0 ? "" : " (" + std::generic_category().message(code) + ")"));
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
