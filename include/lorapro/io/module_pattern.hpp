// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/error.hpp>

#include <bitset>   // std::bitset
#include <cstddef>  // std::size_t
#include <utility>  // std::pair
#include <vector>   // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A regular expression of Python's as adapter configurations use them for module paths: literals,
/// dots, character classes, escapes of digits, words and spaces, groups, alternatives, the
/// repetitions * + ? and both anchors. What else Python has (counts, look-around, back references,
/// flags) is refused by name.
///
/// Not std::regex: that one recurses once per character and can take exponential time, and patterns
/// come from files. This one runs all alternatives at once.
///
/// \cost of a match: pattern length times path length; no recursion.
/// \ref Thompson, Regular expression search algorithm, CACM 11(6), 1968.
class ModulePattern {
 public:
  /// \throws FormatError (a construct that is not supported, or a pattern that is none).
  explicit ModulePattern(std::string pattern) : pattern_(std::move(pattern)) {
    if (pattern_.size() > kLongest)
      fail("at most " + std::to_string(kLongest) + " bytes", std::to_string(pattern_.size()));
    Piece whole = alternatives(0);
    if (position_ != pattern_.size()) fail("balanced parentheses", "one that closes nothing");
    program_ = std::move(whole);
    program_.push_back({Op::match, {}, 0, 0});
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
  using Set = std::bitset<256>;
  enum class Op { set, split, jump, start, end, match };
  struct Instruction {
    Op op;
    Set set;
    std::ptrdiff_t x, y;  // of split and jump: relative targets
  };
  using Piece = std::vector<Instruction>;

  static constexpr std::size_t kLongest = 1024;
  static constexpr int kDeepest = 32;

  [[noreturn]] void fail(const std::string& expected, const std::string& came) const {
    throw FormatError("pattern " + detail::quoted_name(pattern_) + ": expected " + expected +
                      ", got " + came);
  }

  bool more() const { return position_ < pattern_.size(); }
  char peek() const { return pattern_[position_]; }

  static void append(Piece& to, const Piece& from) {
    to.insert(to.end(), from.begin(), from.end());
  }

  static std::ptrdiff_t length(const Piece& piece) {
    return static_cast<std::ptrdiff_t>(piece.size());
  }

  Piece alternatives(int depth) {
    if (depth > kDeepest) fail("at most 32 nested groups", "more");
    Piece out = sequence(depth);
    while (more() && peek() == '|') {
      ++position_;
      const Piece other = sequence(depth);
      Piece both{{Op::split, {}, 1, length(out) + 2}};
      append(both, out);
      both.push_back({Op::jump, {}, length(other) + 1, 0});
      append(both, other);
      out = std::move(both);
    }
    return out;
  }

  Piece sequence(int depth) {
    Piece out;
    while (more() && peek() != '|' && peek() != ')') append(out, repeated(atom(depth)));
    return out;
  }

  Piece repeated(Piece piece) {
    if (!more()) return piece;
    const char sign = peek();
    if (sign == '{') fail("* + or ?", "a count in braces");
    if (sign != '*' && sign != '+' && sign != '?') return piece;
    ++position_;
    Piece out;
    if (sign == '+') {
      out = std::move(piece);
      out.push_back({Op::split, {}, -length(out), 1});
    } else {
      out.push_back({Op::split, {}, 1, length(piece) + (sign == '*' ? 2 : 1)});
      append(out, piece);
      if (sign == '*') out.push_back({Op::jump, {}, -length(out), 0});
    }
    if (more() && (peek() == '*' || peek() == '+' || peek() == '{'))
      fail("one repetition", "another behind it");
    if (more() && peek() == '?') ++position_;  // laziness does not change what matches
    return out;
  }

  Piece atom(int depth) {
    const char first = pattern_[position_++];
    switch (first) {
      case '(':
        return group(depth);
      case '[':
        return {{Op::set, character_class(), 0, 0}};
      case '.': {
        Set any;
        any.set();
        any.reset('\n');
        return {{Op::set, any, 0, 0}};
      }
      case '\\':
        return {{Op::set, escape(), 0, 0}};
      case '^':
        return {{Op::start, {}, 0, 0}};
      case '$':
        return {{Op::end, {}, 0, 0}};
      case '*':
      case '+':
      case '?':
        fail("something to repeat", std::string("none before ") + first);
      default:
        return {{Op::set, single(first), 0, 0}};
    }
  }

  Piece group(int depth) {
    if (more() && peek() == '?') {
      if (pattern_.compare(position_, 2, "?:") != 0)
        fail("groups of the forms (...) and (?:...)", pattern_.substr(position_ - 1, 3));
      position_ += 2;
    }
    Piece out = alternatives(depth + 1);
    if (!more()) fail("balanced parentheses", "one that is not closed");
    ++position_;
    return out;
  }

  static Set single(char c) {
    Set set;
    set.set(static_cast<unsigned char>(c));
    return set;
  }

  static Set range(char low, char high) {
    Set set;
    for (int c = static_cast<unsigned char>(low); c <= static_cast<unsigned char>(high); ++c)
      set.set(static_cast<std::size_t>(c));
    return set;
  }

  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

  /// What stands behind a backslash.
  Set escape() {
    if (!more()) fail("a character behind \\", "the end");
    const char c = pattern_[position_++];
    const Set digits = range('0', '9');
    const Set words = digits | range('a', 'z') | range('A', 'Z') | single('_');
    const Set spaces = range('\t', '\r') | single(' ');
    switch (c) {
      case 'd':
        return digits;
      case 'D':
        return ~digits;
      case 'w':
        return words;
      case 'W':
        return ~words;
      case 's':
        return spaces;
      case 'S':
        return ~spaces;
      default:
        if (is_letter(c) || (c >= '0' && c <= '9')) fail("\\d, \\w, \\s or a sign behind \\", {c});
        return single(c);
    }
  }

  Set character_class() {
    Set set;
    const bool negated = more() && peek() == '^';
    if (negated) ++position_;
    for (bool first = true;; first = false) {
      if (!more()) fail("balanced brackets", "one that is not closed");
      const char low = pattern_[position_++];
      if (low == ']' && !first) break;
      if (low == '\\') {
        set |= escape();
      } else if (position_ + 1 < pattern_.size() && peek() == '-' &&
                 pattern_[position_ + 1] != ']') {
        const char high = pattern_[position_ + 1];
        if (high == '\\' || static_cast<unsigned char>(high) < static_cast<unsigned char>(low))
          fail("a range from low to high", pattern_.substr(position_ - 1, 3));
        position_ += 2;
        set |= range(low, high);
      } else {
        set |= single(low);
      }
    }
    return negated ? ~set : set;
  }

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
      const Instruction& instruction = program_[at];
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

  std::string pattern_;
  std::size_t position_ = 0;
  Piece program_;
};

/// The first entry whose key matches the path (PEFT's rule: order decides), or null.
template <typename Value>
const Value* find_pattern(const std::vector<std::pair<std::string, Value>>& patterns,
                          std::string_view path) {
  for (const auto& [key, value] : patterns)
    if (ModulePattern(key).matches_suffix(path)) return &value;
  return nullptr;
}

}  // namespace io
LORAPRO_NAMESPACE_END
