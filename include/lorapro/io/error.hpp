// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/file_error.hpp>

#include <nlohmann/json.hpp>  // nlohmann::json
#include <string>             // std::string
#include <string_view>        // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace io {

using ::lorapro::FileError;
using ::lorapro::FormatError;

namespace detail {

using ::lorapro::detail::fail_file;

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

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
