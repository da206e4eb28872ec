// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/pattern_map.hpp>

#include <cstdlib>  // std::abort

// Keys, a line each, and a path. The index finds what trying the keys one after the other finds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using lorapro::io::PatternIndex;
  const std::string input(reinterpret_cast<const char*>(data), size);
  lorapro::io::PatternMap<int> patterns;
  std::size_t start = 0;
  for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n', start)) {
    patterns.emplace_back(input.substr(start, end - start), 0);
    start = end + 1;
  }
  const std::string path = input.substr(start);
  try {
    const std::size_t found = PatternIndex(patterns).first_match(path);
    std::size_t expected = PatternIndex::npos;
    for (std::size_t k = patterns.size(); k-- > 0;)
      if (lorapro::io::ModulePattern(patterns[k].first).matches_suffix(path)) expected = k;
    if (expected == PatternIndex::npos) {
      if (found != expected && patterns[found].first != path) std::abort();
    } else if (found != expected) {
      std::abort();
    }
  } catch (const lorapro::FormatError&) {
  }
  return 0;
}
