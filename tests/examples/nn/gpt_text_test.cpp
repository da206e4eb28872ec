// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/gpt_text.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::continuation_tokens;
using examples::nn::Gpt;
using examples::nn::kNoLabel;
using examples::nn::LabelledTokens;
using examples::nn::Sampling;

Gpt<double> random_gpt() {
  Gpt<double> gpt({256, 16, 8, 1, 2});
  examples::RandomEngine engine(5);
  gpt.randomize(engine);
  gpt.tokens().table().randomize(1.0, engine);
  return gpt;
}

TEST_CASE("a seed decides over a sample", "[nn][gpt_text]") {
  auto gpt = random_gpt();
  const auto text = [&](std::uint64_t seed, double temperature) {
    examples::RandomEngine engine(seed);
    return sample(gpt, "Once", Sampling{40, temperature, ""}, engine);
  };
  CHECK(text(1, 1.0).size() == 40);
  CHECK(text(1, 1.0) == text(1, 1.0));
  CHECK(text(1, 1.0) != text(2, 1.0));
  CHECK(text(1, 0.0) == text(2, 0.0));  // always the most likely byte
  // A low temperature comes close to that.
  CHECK(text(1, 1e-6) == text(1, 0.0));
}

TEST_CASE("a sample ends before the stop", "[nn][gpt_text]") {
  auto gpt = random_gpt();
  examples::RandomEngine engine(1);
  const auto whole = sample(gpt, "", Sampling{40, 0.0, ""}, engine);
  const std::string stop = whole.substr(5, 2);
  const auto cut = sample(gpt, "", Sampling{40, 0.0, stop}, engine);
  CHECK(cut == whole.substr(0, whole.find(stop)));
}

TEST_CASE("draws follow the distribution", "[nn][gpt_text]") {
  Eigen::RowVectorXd logits(3);
  logits << std::log(1.0), std::log(3.0), std::log(6.0);
  examples::RandomEngine engine(7);
  std::vector<double> count(3, 0.0);
  for (int i = 0; i < 20000; ++i) {
    count[static_cast<std::size_t>(examples::nn::draw(logits, 1.0, engine))] += 1;
  }
  // Four standard deviations of a share of 20,000 are at most 0.0142.
  CHECK(count[0] / 20000 == Approx(0.1).margin(0.0142));
  CHECK(count[1] / 20000 == Approx(0.3).margin(0.0142));
  CHECK(count[2] / 20000 == Approx(0.6).margin(0.0142));
}

TEST_CASE("a continuation is labelled and its prompt is not", "[nn][gpt_text]") {
  const auto whole = continuation_tokens("ab", "cd", 8);
  CHECK(whole.tokens == std::vector<int>{'a', 'b', 'c'});
  CHECK(whole.labels == std::vector<int>{kNoLabel, 'c', 'd'});
  const auto long_prompt = continuation_tokens("0123456789", "xy", 4);
  CHECK(long_prompt.tokens == std::vector<int>{'7', '8', '9', 'x'});
  CHECK(long_prompt.labels == std::vector<int>{kNoLabel, kNoLabel, 'x', 'y'});
  const auto long_continuation = continuation_tokens("0123456789", "abcdefghij", 8);
  CHECK(long_continuation.tokens == std::vector<int>{'8', '9', 'a', 'b', 'c', 'd', 'e', 'f'});
  CHECK(long_continuation.labels == std::vector<int>{kNoLabel, 'a', 'b', 'c', 'd', 'e', 'f', 'g'});
  const auto no_prompt = continuation_tokens("", "abc", 8);
  CHECK(no_prompt.tokens == std::vector<int>{'a', 'b'});
  CHECK(no_prompt.labels == std::vector<int>{'b', 'c'});
}

TEST_CASE("likelihoods of a batch are those of its sequences", "[nn][gpt_text]") {
  auto gpt = random_gpt();
  const std::vector<LabelledTokens> examples{continuation_tokens("What", " is it?", 16),
                                             continuation_tokens("No", ".", 16)};
  const auto together = log_likelihoods(gpt, examples::nn::make_batch(examples));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto alone = log_likelihoods(gpt, examples::nn::make_batch({examples[i]}));
    CHECK(together[i] == Approx(alone[0]));
    CHECK(together[i] < 0);
  }
  // The chain rule: a continuation in two parts.
  const auto of = [&](const char* prompt, const char* continuation) {
    return log_likelihoods(
        gpt, examples::nn::make_batch({continuation_tokens(prompt, continuation, 16)}))[0];
  };
  CHECK(of("ab", "cdef") == Approx(of("ab", "cd") + of("abcd", "ef")));
}

}  // namespace
