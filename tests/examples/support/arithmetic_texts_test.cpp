// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

#include "examples/support/arithmetic_texts.hpp"

#include <cctype>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {

using examples::NumberPairs;
using examples::Split;
using examples::Sum;
using examples::nn::LabelledTokens;

std::string text_of(const LabelledTokens& example) {
  return {example.tokens.begin(), example.tokens.end()};
}

/// What is to be predicted, one piece per run of labels.
std::vector<std::string> labelled_pieces(const LabelledTokens& example) {
  std::vector<std::string> pieces;
  bool inside = false;
  for (const int label : example.labels) {
    if (label != examples::nn::kNoLabel) {
      if (!inside) pieces.emplace_back();
      pieces.back().push_back(static_cast<char>(label));
    }
    inside = label != examples::nn::kNoLabel;
  }
  return pieces;
}

/// "93+16=" as a sum.
Sum parse(const std::string& text) {
  return {std::stoi(text.substr(0, 2)), std::stoi(text.substr(3, 2)), text[2]};
}

}  // namespace

TEST_CASE("a sheet of plain sums is labelled at the results alone") {
  const NumberPairs pairs;
  examples::RandomEngine engine(1);
  for (int i = 0; i < 50; ++i) {
    const LabelledTokens sheet = plain_sums(pairs, Split::training, engine);
    const std::string text = text_of(sheet);
    REQUIRE(text.size() == examples::kPromptLength + examples::kLineLength - 1);
    REQUIRE(sheet.labels.size() == text.size());
    const auto pieces = labelled_pieces(sheet);
    REQUIRE(pieces.size() == 4);
    std::size_t at = 0;
    for (const auto& piece : pieces) {
      at = text.find('=', at + 1);
      REQUIRE(at != std::string::npos);
      const std::string sum = text.substr(at - 5, 5);
      CHECK(worked_line(parse(sum)) == sum + "=" + piece);
    }
  }
}

TEST_CASE("a spread sum has its numbers and its sign in order, and its worked line as labels") {
  const NumberPairs pairs;
  examples::RandomEngine engine(2);
  for (int i = 0; i < 200; ++i) {
    const LabelledTokens example = spread_sum(pairs, Split::test, engine);
    const auto pieces = labelled_pieces(example);
    REQUIRE(pieces.size() == 1);
    const Sum sum = parse(pieces.front());
    CHECK(worked_line(sum) == pieces.front());
    const std::string prompt = text_of(example).substr(0, examples::kPromptLength);
    std::string said;
    for (const char c : prompt) {
      if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '-') said += c;
    }
    INFO(prompt);
    CHECK(said + "=" == pieces.front().substr(0, 6));
  }
}

TEST_CASE("exact match counts what greedy writing gets right") {
  examples::nn::Gpt<float> gpt({128, 46, 16, 1, 2});
  examples::RandomEngine engine(3);
  gpt.randomize(engine);
  gpt.tokens().table().randomize(1.0, engine);
  std::vector<LabelledTokens> examples;
  int right = 0;
  for (int i = 0; i < 100; ++i) {
    // Half of the continuations are what the model writes itself, the others are not.
    const std::string prompt = examples::prompt_of(std::to_string(i) + " and more");
    std::string written = sample(gpt, prompt, {6, 0.0, ""}, engine);
    if (i % 2 == 1) written[static_cast<std::size_t>(i) % 6] ^= 1;
    examples.push_back(examples::nn::continuation_tokens(prompt, written, 46));
    right += i % 2 == 0;
  }
  CHECK(examples::exact_match(gpt, examples) == Approx(right / 100.0));
}
