// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

#include "examples/support/word_problems.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {

using examples::NumberPairs;
using examples::Split;
using examples::Sum;
using examples::WordProblem;

constexpr std::array<Split, 3> kSplits{Split::training, Split::validation, Split::test};

std::vector<int> numbers_in(const std::string& text) {
  std::vector<int> numbers;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(text[i])) == 0) continue;
    std::size_t length = 0;
    numbers.push_back(std::stoi(text.substr(i), &length));
    i += length;
  }
  return numbers;
}

/// The text with everything that is drawn taken out of it.
std::string sentence_of(std::string text) {
  const auto take_out = [&](const auto& words, const std::string& sign) {
    std::vector<std::string> longest_first(words.begin(), words.end());
    std::sort(longest_first.begin(), longest_first.end(),
              [](const auto& a, const auto& b) { return a.size() > b.size(); });
    for (const auto& word : longest_first) {
      const auto at = text.find(word);
      if (at != std::string::npos) text.replace(at, word.size(), sign);
    }
  };
  take_out(examples::detail::kNames, "N");
  take_out(examples::detail::kThings, "T");
  take_out(examples::detail::kGains, "V");
  take_out(examples::detail::kLosses, "V");
  text.erase(std::remove_if(text.begin(), text.end(),
                            [](unsigned char c) { return std::isdigit(c) != 0; }),
             text.end());
  return text;
}

}  // namespace

TEST_CASE("a worked line has the result with its last digit first") {
  CHECK(examples::worked_line({93, 16, '+'}) == "93+16=901\n");
  CHECK(examples::worked_line({93, 16, '-'}) == "93-16=77\n");
  CHECK(examples::worked_line({50, 20, '-'}) == "50-20=03\n");
  CHECK(examples::worked_line({42, 42, '-'}) == "42-42=0\n");
}

TEST_CASE("the pairs of two-digit numbers are divided without overlap or loss") {
  const NumberPairs pairs;
  std::set<NumberPairs::Pair> seen;
  std::size_t count = 0;
  for (const Split split : kSplits) {
    for (const auto& pair : pairs.of(split)) {
      CHECK(pair.first >= 10);
      CHECK(pair.second <= 99);
      CHECK(pair.first <= pair.second);
      seen.insert(pair);
      ++count;
    }
    CHECK(pairs.of(split).size() >= 400);
  }
  CHECK(count == 90 * 91 / 2);
  CHECK(seen.size() == count);
}

TEST_CASE("a drawn sum has the numbers of its split, in both orders of an addition") {
  const NumberPairs pairs;
  examples::RandomEngine engine(1);
  for (const Split split : kSplits) {
    const std::set<NumberPairs::Pair> own(pairs.of(split).begin(), pairs.of(split).end());
    int subtractions = 0, rising = 0;
    for (int i = 0; i < 1000; ++i) {
      const Sum sum = pairs.draw(split, engine);
      CHECK(own.count(std::minmax(sum.a, sum.b)) == 1);
      CHECK(sum.result() >= 0);
      subtractions += sum.operation == '-';
      rising += sum.a < sum.b;
    }
    CHECK(subtractions > 400);
    CHECK(subtractions < 600);
    CHECK(rising > 150);
    CHECK(rising < 350);
  }
}

TEST_CASE("a word problem names both numbers and a verb that fits the operation") {
  const NumberPairs pairs;
  examples::RandomEngine engine(2);
  for (const Split split : kSplits) {
    for (int i = 0; i < 500; ++i) {
      const WordProblem problem = draw_word_problem(pairs, split, engine);
      INFO(problem.text);
      auto numbers = numbers_in(problem.text);
      REQUIRE(numbers.size() == 2);
      const auto verb_of = [&](const auto& verbs) {
        return std::any_of(verbs.begin(), verbs.end(), [&](const auto& verb) {
          return problem.text.find(" " + std::string(verb) + " " + std::to_string(problem.sum.b)) !=
                 std::string::npos;
        });
      };
      CHECK(verb_of(examples::detail::kGains) == (problem.sum.operation == '+'));
      CHECK(verb_of(examples::detail::kLosses) == (problem.sum.operation == '-'));
      std::sort(numbers.begin(), numbers.end());
      CHECK(numbers.front() == std::min(problem.sum.a, problem.sum.b));
      CHECK(numbers.back() == std::max(problem.sum.a, problem.sum.b));
      CHECK(problem.text.size() <= examples::kLongestProblem);
      CHECK(problem.text.find('$') == std::string::npos);
    }
  }
}

TEST_CASE("the splits share no sentence") {
  const NumberPairs pairs;
  examples::RandomEngine engine(3);
  std::set<std::string> all;
  std::size_t count = 0;
  for (const Split split : kSplits) {
    std::set<std::string> own;
    for (int i = 0; i < 500; ++i) {
      own.insert(sentence_of(draw_word_problem(pairs, split, engine).text));
    }
    CHECK(own.size() >= 6);
    CHECK(own.size() <= 24);
    count += own.size();
    all.insert(own.begin(), own.end());
  }
  CHECK(all.size() == count);
}
