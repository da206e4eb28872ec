// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "pre_tokenizer.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include "unicode_text.hpp"

namespace examples::llm {

namespace {

constexpr std::array<std::pair<std::string_view, SplitPattern>, 3> kRegexes{{
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
     SplitPattern::gpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)",
     SplitPattern::llama3},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)",
     SplitPattern::qwen2},
}};

constexpr char32_t kMetaspace = 0x2581;
constexpr char32_t kLongS = 0x17f;  // an s, where the case of letters is ignored

struct CodePoint {
  char32_t value;
  CharClass category;
  std::size_t at;  // its first byte
};

/// The code points [begin, end) of a text, and how many of them the first piece has.
class Matcher {
 public:
  Matcher(const std::vector<CodePoint>& text, SplitPattern pattern)
      : text_(text), pattern_(pattern) {}

  /// The end of the piece that begins at `begin`, which is before `end`.
  std::size_t match(std::size_t begin, std::size_t end) const {
    switch (pattern_) {
      case SplitPattern::digits:
        if (is(begin, CharClass::number)) return begin + 1;
        return run(begin, end, [&](std::size_t k) { return !is(k, CharClass::number); });
      case SplitPattern::digit_runs:
        return run(begin, end, [&](std::size_t k) {
          return is(k, CharClass::number) == is(begin, CharClass::number);
        });
      case SplitPattern::metaspace:
        return run(begin + 1, end, [&](std::size_t k) { return text_[k].value != kMetaspace; });
      case SplitPattern::gpt2:
      case SplitPattern::llama3:
      case SplitPattern::qwen2:
        break;
    }
    // The alternatives of the regular expression in their order.
    std::size_t stop = contraction(begin, end);
    if (stop == begin) stop = word(begin, end);
    if (stop == begin) stop = number(begin, end);
    if (stop == begin) stop = symbols(begin, end);
    if (stop == begin) stop = spaces(begin, end);
    return stop;
  }

 private:
  bool is(std::size_t at, CharClass category) const { return text_[at].category == category; }
  bool is_space(std::size_t at) const {
    return is(at, CharClass::space) || is(at, CharClass::line_break);
  }

  template <typename Predicate>
  static std::size_t run(std::size_t begin, std::size_t end, Predicate&& holds) {
    while (begin < end && holds(begin)) ++begin;
    return begin;
  }

  std::size_t letters(std::size_t begin, std::size_t end) const {
    return run(begin, end, [&](std::size_t k) { return is(k, CharClass::letter); });
  }

  /// 's|'t|'re|'ve|'m|'ll|'d
  std::size_t contraction(std::size_t begin, std::size_t end) const {
    if (text_[begin].value != '\'' || end - begin < 2) return begin;
    const char32_t first = letter_at(begin + 1);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return begin + 2;
    if (end - begin < 3) return begin;
    const char32_t second = letter_at(begin + 2);
    const bool is_pair = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                         (first == 'l' && second == 'l');
    return is_pair ? begin + 3 : begin;
  }

  char32_t letter_at(std::size_t at) const {
    const char32_t c = text_[at].value;
    if (pattern_ == SplitPattern::gpt2) return c;
    if (c == kLongS) return 's';
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
  }

  /// " ?\p{L}+" or "[^\r\n\p{L}\p{N}]?\p{L}+"
  std::size_t word(std::size_t begin, std::size_t end) const {
    if (is(begin, CharClass::letter)) return letters(begin, end);
    const bool may_lead = pattern_ == SplitPattern::gpt2
                              ? text_[begin].value == ' '
                              : !is(begin, CharClass::number) && !is(begin, CharClass::line_break);
    if (!may_lead) return begin;
    const std::size_t stop = letters(begin + 1, end);
    return stop == begin + 1 ? begin : stop;
  }

  /// " ?\p{N}+", "\p{N}{1,3}" or "\p{N}"
  std::size_t number(std::size_t begin, std::size_t end) const {
    const bool gpt2 = pattern_ == SplitPattern::gpt2;
    const std::size_t first = gpt2 && text_[begin].value == ' ' ? begin + 1 : begin;
    const std::size_t most = gpt2 ? end - first : pattern_ == SplitPattern::llama3 ? 3 : 1;
    const std::size_t last = end - first > most ? first + most : end;
    const std::size_t stop =
        run(first, last, [&](std::size_t k) { return is(k, CharClass::number); });
    return stop == first ? begin : stop;
  }

  /// " ?[^\s\p{L}\p{N}]+", but for GPT-2 with "[\r\n]*" behind it
  std::size_t symbols(std::size_t begin, std::size_t end) const {
    const std::size_t first = text_[begin].value == ' ' ? begin + 1 : begin;
    const std::size_t stop =
        run(first, end, [&](std::size_t k) { return is(k, CharClass::other); });
    if (stop == first) return begin;
    if (pattern_ == SplitPattern::gpt2) return stop;
    return run(stop, end, [&](std::size_t k) { return is(k, CharClass::line_break); });
  }

  /// "\s+(?!\S)|\s+", but for GPT-2 with "\s*[\r\n]+" before it
  std::size_t spaces(std::size_t begin, std::size_t end) const {
    const std::size_t stop = run(begin, end, [&](std::size_t k) { return is_space(k); });
    if (pattern_ != SplitPattern::gpt2)
      for (std::size_t k = stop; k-- > begin;)
        if (is(k, CharClass::line_break)) return k + 1;
    // The last one goes with what follows it.
    return stop == end || stop == begin + 1 ? stop : stop - 1;
  }

  const std::vector<CodePoint>& text_;
  SplitPattern pattern_;
};

}  // namespace

std::optional<SplitPattern> split_pattern_of_regex(std::string_view regex) {
  for (const auto& [known, pattern] : kRegexes)
    if (known == regex) return pattern;
  return std::nullopt;
}

void PreTokenizer::split(std::string_view text,
                         const std::function<void(std::string_view)>& visit) const {
  if (text.empty()) return;
  if (patterns_.empty()) return visit(text);
  std::vector<CodePoint> points;
  points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t value = next_code_point(text, at);
    points.push_back({value, char_class(value), start});
  }
  // The ends of the pieces, refined pattern by pattern.
  std::vector<std::size_t> ends{points.size()}, finer;
  for (const SplitPattern pattern : patterns_) {
    const Matcher matcher(points, pattern);
    finer.clear();
    std::size_t begin = 0;
    for (const std::size_t end : ends)
      while (begin < end) {
        begin = matcher.match(begin, end);
        finer.push_back(begin);
      }
    ends.swap(finer);
  }
  std::size_t first = 0;
  for (const std::size_t end : ends) {
    const std::size_t last = end == points.size() ? text.size() : points[end].at;
    visit(text.substr(first, last - first));
    first = last;
  }
}

}  // namespace examples::llm
