// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/text_windows.hpp"

#include "support/catch.hpp"

namespace {

using examples::random_windows;
using examples::score_text;
using examples::nn::Gpt;

TEST_CASE("windows follow from the seed and the step", "[text_windows]") {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i % 250));
  const auto batch = random_windows(text, 5, 8, 3, 7);
  CHECK(batch.sequences.count == 5);
  REQUIRE(batch.tokens.size() == 40);
  for (std::size_t i = 0; i < 40; ++i) {
    CHECK(batch.labels[i] == (batch.tokens[i] + 1) % 250);
    if (i % 8 > 0) CHECK(batch.tokens[i] == batch.labels[i - 1]);
  }
  CHECK(random_windows(text, 5, 8, 3, 7).tokens == batch.tokens);
  CHECK(random_windows(text, 5, 8, 3, 8).tokens != batch.tokens);
  CHECK(random_windows(text, 5, 8, 4, 7).tokens != batch.tokens);
  // Of the shortest text that will do, there is one window.
  CHECK(random_windows("abcd", 2, 3, 0, 0).labels ==
        std::vector<int>{'b', 'c', 'd', 'b', 'c', 'd'});
}

TEST_CASE("a model that knows nothing needs eight bits", "[text_windows]") {
  Gpt<double> gpt({256, 8, 4, 1, 2});  // all weights are 0
  const std::string text(100, 'x');
  const auto score = score_text(gpt, text, 40);
  CHECK(score.bits_per_character == Approx(8));
  CHECK(score.next_byte_match == 0);  // of equals the first is taken, and that is not x
  CHECK(score_text(gpt, std::string(100, '\0'), 40).next_byte_match == 1);
}

TEST_CASE("all of a short text is scored, and nothing of a shorter one", "[text_windows]") {
  Gpt<double> gpt({256, 8, 4, 1, 2});
  CHECK(score_text(gpt, "123456789", 1000).bits_per_character == Approx(8));
  CHECK(score_text(gpt, "12345678", 1000).bits_per_character == 0);
}

}  // namespace
