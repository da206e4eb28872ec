// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/pattern_program.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A regular expression of Python's as adapter configurations use them for module paths: literals,
/// dots, character classes, escapes of digits, words and spaces, groups, alternatives, the
/// repetitions * + ? {m,n} and both anchors. What else Python has (look-around, back references,
/// flags) is refused by name.
///
/// Not std::regex: that one recurses once per character and can take exponential time, and patterns
/// come from files. This one runs all alternatives at once.
///
/// \cost of a match: pattern length, its repetitions written out, times path length; no recursion.
/// \ref Thompson, Regular expression search algorithm, CACM 11(6), 1968.
class ModulePattern {
 public:
  /// \throws FormatError (a construct that is not supported, or a pattern that is none).
  explicit ModulePattern(const std::string& pattern)
      : program_(detail::PatternParser(pattern).parse()) {}

  /// Nothing where the constructor would throw.
  static std::optional<ModulePattern> understood(const std::string& pattern) {
    try {
      return ModulePattern(pattern);
    } catch (const FormatError&) {
      return std::nullopt;
    }
  }

  /// Whether the whole path is in the language, as Python's re.fullmatch says.
  bool matches_whole(std::string_view path) const { return run(path, {0}); }

  /// Whether the path ends in what the pattern describes, from the start or behind a dot: the rule
  /// of PEFT for keys of rank_pattern and alpha_pattern.
  bool matches_suffix(std::string_view path) const {
    std::vector<std::size_t> starts{0};
    for (std::size_t k = 0; k < path.size(); ++k)
      if (path[k] == '.') starts.push_back(k + 1);
    return run(path, starts);
  }

 private:
  using Op = detail::PatternInstruction::Op;

  /// Runs the program from each of `starts` to the end of the path.
  bool run(std::string_view path, const std::vector<std::size_t>& starts) const {
    std::vector<std::size_t> now, next;
    std::vector<std::size_t> seen(program_.size(), path.size() + 1);
    auto start = starts.begin();
    bool matched = false;
    for (std::size_t k = 0; k <= path.size(); ++k) {
      if (start != starts.end() && *start == k) {
        follow(0, k, path.size(), seen, now, matched);
        ++start;
      }
      if (k == path.size()) break;
      matched = false;
      next.clear();
      for (const std::size_t at : now)
        if (program_[at].set.test(static_cast<unsigned char>(path[k])))
          follow(at + 1, k + 1, path.size(), seen, next, matched);
      now.swap(next);
    }
    return matched;
  }

  /// Adds the sets that are reached from an instruction without reading a character.
  void follow(std::size_t first, std::size_t position, std::size_t end,
              std::vector<std::size_t>& seen, std::vector<std::size_t>& list, bool& matched) const {
    std::vector<std::size_t> pending{first};
    while (!pending.empty()) {
      const std::size_t at = pending.back();
      pending.pop_back();
      if (seen[at] == position) continue;
      seen[at] = position;
      const detail::PatternInstruction& instruction = program_[at];
      const auto target = [&](std::ptrdiff_t offset) {
        return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(at) + offset);
      };
      switch (instruction.op) {
        case Op::set:
          list.push_back(at);
          break;
        case Op::split:
          pending.push_back(target(instruction.y));
          pending.push_back(target(instruction.x));
          break;
        case Op::jump:
          pending.push_back(target(instruction.x));
          break;
        case Op::start:
          if (position == 0) pending.push_back(at + 1);
          break;
        case Op::end:
          if (position == end) pending.push_back(at + 1);
          break;
        case Op::match:
          matched = position == end;
          break;
      }
    }
  }

  detail::PatternProgram program_;
};

}  // namespace io
LORAPRO_NAMESPACE_END
