// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::reverse
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "random.hpp"

// Generated arithmetic: plain sums, and word problems whose solution is such a sum.
namespace examples {

enum class Split { training, validation, test };

/// a + b, or a - b with a >= b; both have two digits.
struct Sum {
  int a = 0;
  int b = 0;
  char operation = '+';

  int result() const { return operation == '+' ? a + b : a - b; }
};

/// The sum as a model writes it, the last digit of the result first, since that is the order in
/// which carries come about: "93+16=901\n".
inline std::string worked_line(const Sum& sum) {
  std::string result = std::to_string(sum.result());
  std::reverse(result.begin(), result.end());
  return std::to_string(sum.a) + sum.operation + std::to_string(sum.b) + "=" + result + "\n";
}

/// The pairs of two-digit numbers, divided once and for all: eight tenths for training, one each
/// for validation and tests. 93, 16 and 16, 93 are in the same part, and so are 93 + 16 and 93
/// - 16.
class NumberPairs {
 public:
  using Pair = std::pair<int, int>;  // the smaller number first

  NumberPairs() {
    std::vector<Pair> all;
    for (int low = 10; low < 100; ++low) {
      for (int high = low; high < 100; ++high) all.emplace_back(low, high);
    }
    RandomEngine engine(20240725);
    std::size_t number = 0;
    for (const auto place : permutation(static_cast<Eigen::Index>(all.size()), engine)) {
      const std::size_t tenth = number++ * 10 / all.size();
      const std::size_t part = tenth < 8 ? 0 : tenth - 7;
      parts_[part].push_back(all[static_cast<std::size_t>(place)]);
    }
  }

  const std::vector<Pair>& of(Split split) const { return parts_[static_cast<std::size_t>(split)]; }

  /// A sum or a difference, in equal shares, of numbers of this part.
  Sum draw(Split split, RandomEngine& engine) const {
    const auto& [low, high] = of(split)[engine() % of(split).size()];
    if (engine() % 2 == 0) return {high, low, '-'};
    return engine() % 2 == 0 ? Sum{low, high, '+'} : Sum{high, low, '+'};
  }

 private:
  std::array<std::vector<Pair>, 3> parts_;
};

struct WordProblem {
  std::string text;  // "Tom has 93 pens and buys 16."
  Sum sum;           // 93 + 16
};

namespace detail {

// Of several lengths, so that no number is always at the same place.
inline constexpr std::array<std::string_view, 12> kNames{
    "Al", "Bo", "Tom", "Ann", "Eva", "Zoe", "Anna", "Karl", "Rosa", "Lucas", "Maria", "Peter"};
inline constexpr std::array<std::string_view, 12> kThings{"pens",   "jars",   "keys",   "nuts",
                                                          "hats",   "coins",  "books",  "cards",
                                                          "shells", "stones", "apples", "tables"};
inline constexpr std::array<std::string_view, 2> kGains{"buys", "gets"};
inline constexpr std::array<std::string_view, 2> kLosses{"sells", "loses"};

// Each split has sentences of its own. The verb alone decides whether to add or to subtract, and
// what it is followed by is b.
inline constexpr std::array<std::string_view, 24> kTrainingSentences{
    "$name has $a $things and $verb $b.",    "$name has $a $things, then $verb $b.",
    "With $a $things, $name $verb $b.",      "First $a $things, $name $verb $b.",
    "$name had $a $things. Now $verb $b.",   "$name $verb $b and had $a $things.",
    "$name $verb $b, but had $a $things.",   "$a $things: $name $verb $b more.",
    "$name $verb $b; before: $a $things.",   "Once $a $things; $name $verb $b.",
    "$name keeps $a $things, $verb $b.",     "Having $a $things, $name $verb $b.",
    "There are $a $things. $name $verb $b.", "$name $verb $b after $a $things.",
    "$a $things in a box; $name $verb $b.",  "Today $name $verb $b; had $a $things.",
    "$name $verb $b. It was $a $things.",    "$name counts $a $things and $verb $b.",
    "$a $things are here. $name $verb $b.",  "Yes, $name $verb $b; had $a $things.",
    "So $name, with $a $things, $verb $b.",  "$name finds $a $things, $verb $b.",
    "Now $name $verb $b, from $a $things.",  "Start: $a $things. $name $verb $b."};
inline constexpr std::array<std::string_view, 6> kValidationSentences{
    "$name owns $a $things and $verb $b.", "Of $a $things here $name $verb $b.",
    "See $a $things; $name $verb $b.",     "Later $name $verb $b; had $a $things.",
    "$name $verb $b, was at $a $things.",  "$a $things on a bed. $name $verb $b."};
inline constexpr std::array<std::string_view, 8> kTestSentences{
    "$name with $a $things $verb $b.",       "At first $a $things. $name $verb $b.",
    "$name, who has $a $things, $verb $b.",  "On a rug: $a $things; $name $verb $b.",
    "$name $verb $b. Before, $a $things.",   "Say $name $verb $b; held $a $things.",
    "$a $things lie there; $name $verb $b.", "$name got $a $things. Then $verb $b."};

template <std::size_t N>
std::string_view any(const std::array<std::string_view, N>& words, RandomEngine& engine) {
  return words[engine() % N];
}

}  // namespace detail

/// The longest text of a word problem.
inline constexpr std::size_t kLongestProblem = 36;

/// A word problem whose sentence and numbers belong to this split alone.
inline WordProblem draw_word_problem(const NumberPairs& pairs, Split split, RandomEngine& engine) {
  const Sum sum = pairs.draw(split, engine);
  const std::string_view name = detail::any(detail::kNames, engine);
  const std::string_view thing = detail::any(detail::kThings, engine);
  const std::string_view verb =
      detail::any(sum.operation == '+' ? detail::kGains : detail::kLosses, engine);
  const std::string_view sentence =
      split == Split::training     ? detail::any(detail::kTrainingSentences, engine)
      : split == Split::validation ? detail::any(detail::kValidationSentences, engine)
                                   : detail::any(detail::kTestSentences, engine);
  std::string text(sentence);
  const auto fill = [&](std::string_view place, std::string_view word) {
    const std::size_t at = text.find(place);
    if (at != std::string::npos) text.replace(at, place.size(), word);
  };
  fill("$name", name);
  fill("$verb", verb);
  fill("$things", thing);
  fill("$a", std::to_string(sum.a));
  fill("$b", std::to_string(sum.b));
  return {text, sum};
}

}  // namespace examples
