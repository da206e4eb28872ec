// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/module_pattern.hpp>

#include <cstdlib>  // std::abort

// A pattern, a line's end, a path. A whole match is a match of the path's end.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const auto end = input.find('\n');
  if (end == std::string::npos) return 0;
  try {
    const lorapro::io::ModulePattern pattern(input.substr(0, end));
    const std::string path = input.substr(end + 1);
    if (pattern.matches_whole(path) && !pattern.matches_suffix(path)) std::abort();
  } catch (const lorapro::FormatError&) {
  }
  return 0;
}
