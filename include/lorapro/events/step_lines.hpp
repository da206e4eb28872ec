// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/events/append_file.hpp>

#include <algorithm>  // std::min
#include <charconv>   // std::from_chars
#include <fstream>    // std::ifstream

LORAPRO_NAMESPACE_BEGIN
namespace events {

/// What begins each line of a log and what follows the number of the step there.
struct StepLineFormat {
  std::string_view before;
  char after;
  bool has_header;  ///< the first line is none of a step
};

/// What an earlier run left of a log of one line per step.
struct EarlierLines {
  std::string header;          ///< without the end of the line; empty if there is none
  std::uintmax_t kept = 0;     ///< bytes of header and lines before those of `first_step`
  std::uintmax_t present = 0;  ///< bytes in all

  /// Whether a line of a step is kept.
  bool any() const { return kept > (header.empty() ? 0 : header.size() + 1); }
};

/// Finds the lines of steps before `first_step`: all up to the first of a later step, or up to one
/// that was cut off, as the last may be. A file that does not exist is an empty one.
/// \throws FormatError (a line that does not begin with its step), FileError, ConfigError
/// (first_step < 1).
inline EarlierLines earlier_lines(const std::filesystem::path& path, const StepLineFormat& format,
                                  std::int64_t first_step) {
  checks::config(first_step >= 1, "first_step", "a number >= 1", first_step);
  EarlierLines found;
  std::error_code absent;
  if (!std::filesystem::is_regular_file(path, absent)) return found;
  found.present = std::filesystem::file_size(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) lorapro::detail::fail_file(path, "cannot be read", errno);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const bool whole = !file.eof();
    if (format.has_header && number == 1) {
      found.header = line;
    } else {
      const std::size_t checked = (std::min)(line.size(), format.before.size());
      const char* const end = line.data() + line.size();
      std::int64_t step = 0;
      const auto parsed = std::from_chars(line.data() + checked, end, step);
      const bool begins = format.before.compare(0, checked, line, 0, checked) == 0;
      if (!begins ||
          (whole && (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != format.after)))
        throw FormatError(path.string() + ": line " + std::to_string(number) +
                          ": expected a step at its beginning, as in the log of an earlier run");
      if (step >= first_step) break;
    }
    if (whole) found.kept += line.size() + 1;
  }
  if (file.bad()) lorapro::detail::fail_file(path, "cannot be read");
  return found;
}

/// Opens the log for the steps from `first_step` on: cuts off what an earlier run, which got
/// further than where it is resumed, wrote of them. \throws FileError.
inline AppendFile open_after(const std::filesystem::path& path, const EarlierLines& earlier) {
  std::error_code error;
  if (earlier.kept < earlier.present) std::filesystem::resize_file(path, earlier.kept, error);
  if (error) lorapro::detail::fail_file(path, "cannot be cut", error.value());
  return AppendFile(path);
}

}  // namespace events
LORAPRO_NAMESPACE_END
