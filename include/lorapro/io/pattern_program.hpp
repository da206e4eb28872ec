// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/error.hpp>

#include <algorithm>  // std::min
#include <bitset>     // std::bitset
#include <cstddef>    // std::size_t, std::ptrdiff_t
#include <optional>   // std::optional
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// A step of a pattern's program.
struct PatternInstruction {
  using Set = std::bitset<256>;
  enum class Op { set, split, jump, start, end, match };

  Op op;
  Set set;              // of the bytes that `set` takes
  std::ptrdiff_t x, y;  // of split and jump: relative targets
};
using PatternProgram = std::vector<PatternInstruction>;

/// Compiles the patterns of ModulePattern.
class PatternParser {
 public:
  explicit PatternParser(const std::string& pattern) : pattern_(pattern) {}

  /// \throws FormatError (a construct that is not supported, or a pattern that is none).
  PatternProgram parse() {
    if (pattern_.size() > kLongest)
      fail("at most " + std::to_string(kLongest) + " bytes", std::to_string(pattern_.size()));
    PatternProgram out = alternatives(0);
    if (position_ != pattern_.size()) fail("balanced parentheses", "one that closes nothing");
    out.push_back({Op::match, {}, 0, 0});
    return out;
  }

 private:
  static constexpr std::size_t kLongest = 1024;
  static constexpr std::size_t kMostSteps = std::size_t{1} << 13U;
  static constexpr int kDeepest = 32;

  [[noreturn]] void fail(const std::string& expected, const std::string& came) const {
    throw FormatError("pattern " + detail::quoted_name(pattern_) + ": expected " + expected +
                      ", got " + came);
  }

  void check_steps(std::size_t steps) const {
    if (steps > kMostSteps)
      fail("at most " + std::to_string(kMostSteps) + " steps with all repetitions", "more");
  }

  bool more() const { return position_ < pattern_.size(); }
  char peek() const { return pattern_[position_]; }

  using Op = PatternInstruction::Op;
  using Set = PatternInstruction::Set;

  static void append(PatternProgram& to, const PatternProgram& from) {
    to.insert(to.end(), from.begin(), from.end());
  }

  static std::ptrdiff_t length(const PatternProgram& piece) {
    return static_cast<std::ptrdiff_t>(piece.size());
  }

  PatternProgram alternatives(int depth) {
    if (depth > kDeepest) fail("at most 32 nested groups", "more");
    PatternProgram out = sequence(depth);
    while (more() && peek() == '|') {
      ++position_;
      const PatternProgram other = sequence(depth);
      PatternProgram both{{Op::split, {}, 1, length(out) + 2}};
      append(both, out);
      both.push_back({Op::jump, {}, length(other) + 1, 0});
      append(both, other);
      out = std::move(both);
    }
    return out;
  }

  PatternProgram sequence(int depth) {
    PatternProgram out;
    while (more() && peek() != '|' && peek() != ')') {
      append(out, repeated(atom(depth)));
      check_steps(out.size());
    }
    return out;
  }

  /// How often a piece stands: least to most times.
  struct Count {
    std::size_t least, most;
  };
  static constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

  /// Reads a repetition. Braces of another form than {m}, {m,}, {,n} and {m,n} stand for
  /// themselves.
  std::optional<Count> count() {
    if (!more()) return std::nullopt;
    switch (peek()) {
      case '*':
        ++position_;
        return Count{0, kNoLimit};
      case '+':
        ++position_;
        return Count{1, kNoLimit};
      case '?':
        ++position_;
        return Count{0, 1};
      case '{':
        return count_in_braces();
      default:
        return std::nullopt;
    }
  }

  std::optional<Count> count_in_braces() {
    const std::size_t start = position_++;
    const auto number = [&](std::size_t if_none) {
      const std::size_t first = position_;
      std::size_t value = 0;
      for (; more() && peek() >= '0' && peek() <= '9'; ++position_)
        value = (std::min)(10 * value + static_cast<std::size_t>(peek() - '0'), kMostSteps + 1);
      return position_ == first ? if_none : value;
    };
    const std::size_t first = position_;
    Count out{number(0), 0};
    const bool is_empty = position_ == first;
    out.most = out.least;
    const bool has_comma = more() && peek() == ',';
    if (has_comma) {
      ++position_;
      out.most = number(kNoLimit);
    }
    if (!more() || peek() != '}' || (is_empty && !has_comma)) {
      position_ = start;
      return std::nullopt;
    }
    ++position_;
    if (out.most < out.least)
      fail("a count from low to high", pattern_.substr(start, position_ - start));
    return out;
  }

  PatternProgram repeated(const PatternProgram& piece) {
    const auto times = count();
    if (!times) return piece;
    const bool is_bounded = times->most != kNoLimit;
    const std::size_t copies = is_bounded ? times->most : times->least + 1;
    check_steps(copies * (piece.size() + 1));
    PatternProgram out;
    for (std::size_t k = 0; k < times->least; ++k) append(out, piece);
    if (!is_bounded) {
      out.push_back({Op::split, {}, 1, length(piece) + 2});
      append(out, piece);
      out.push_back({Op::jump, {}, -length(piece) - 1, 0});
    } else {
      for (std::size_t k = times->least; k < times->most; ++k) {
        out.push_back({Op::split, {}, 1, length(piece) + 1});
        append(out, piece);
      }
    }
    if (more() && peek() == '?') ++position_;  // laziness does not change what matches
    if (count()) fail("one repetition", "another behind it");
    return out;
  }

  PatternProgram atom(int depth) {
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
      case '{':
        --position_;
        if (count()) fail("something to repeat", "none before {");
        ++position_;
        [[fallthrough]];
      default:
        return {{Op::set, single(first), 0, 0}};
    }
  }

  PatternProgram group(int depth) {
    if (more() && peek() == '?') {
      if (pattern_.compare(position_, 2, "?:") != 0)
        fail("groups of the forms (...) and (?:...)", pattern_.substr(position_ - 1, 3));
      position_ += 2;
    }
    PatternProgram out = alternatives(depth + 1);
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

  const std::string& pattern_;
  std::size_t position_ = 0;
};

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
