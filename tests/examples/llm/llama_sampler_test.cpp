// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/llama_sampler.hpp"

#include <array>
#include <set>

#include "support/message_of.hpp"
#include "support/tiny_llama.hpp"

namespace {

using examples::llm::continue_text;
using examples::llm::sample_token;
using examples::llm::SamplingOptions;
namespace tiny = tiny_llama;
using lorapro::Index;
using tiny::TokenId;

/// Logits of a text's last token, from a whole forward pass.
Eigen::RowVectorXd last_logits(tiny::Llama<double>& model, const std::vector<TokenId>& ids) {
  tiny::TokenBatch batch;
  batch.ids = ids;
  batch.labels.assign(ids.size(), tiny::kNoLabel);
  batch.starts = {0, batch.rows()};
  return model.logits(batch).bottomRows(1);
}

TEST_CASE("a cache gives the logits of the whole forward pass", "[llm][sampler]") {
  tiny::LlamaConfig config = tiny::config();
  config.qk_norm = GENERATE(false, true);
  auto model = tiny::model<double>(config, tiny::options());
  const std::vector<TokenId> text = tiny::batch(config, {200}).ids;
  auto cache = model.make_cache(200);
  std::vector<TokenId> so_far;
  for (const std::size_t piece : {3, 1, 1, 70, 1, 124}) {  // past the first chunk of keys
    const std::vector<TokenId> more(
        text.begin() + static_cast<std::ptrdiff_t>(so_far.size()),
        text.begin() + static_cast<std::ptrdiff_t>(so_far.size() + piece));
    so_far.insert(so_far.end(), more.begin(), more.end());
    const double* const logits = model.append(cache, more);
    const Eigen::Map<const Eigen::RowVectorXd> from_cache(logits, config.vocab_size);
    const Eigen::RowVectorXd expected = last_logits(model, so_far);
    CHECK((from_cache - expected).cwiseAbs().maxCoeff() < 1e-11);
  }
  CHECK(cache.used() == 200);
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { model.append(cache, {1}); }),
             contains_text("expected 1 to 0 tokens, the room that is left, got 1"));
  cache.truncate(10);
  const std::vector<TokenId> next(text.begin() + 10, text.begin() + 12);
  const double* const again = model.append(cache, next);
  const Eigen::RowVectorXd expected = last_logits(model, {text.begin(), text.begin() + 12});
  CHECK(std::abs(again[5] - expected(5)) < 1e-11);
}

TEST_CASE("greedy text is the likeliest token after the likeliest token", "[llm][sampler]") {
  tiny::LlamaConfig config = tiny::config();
  config.eos.clear();
  auto model = tiny::model<double>(config, tiny::options());
  SamplingOptions options;
  options.most = 12;
  std::vector<TokenId> text = {5, 9};
  const auto made = continue_text(model, text, options);
  REQUIRE(made.size() == 12);
  for (const TokenId token : made) {
    Index best = 0;
    last_logits(model, text).maxCoeff(&best);
    CHECK(token == best);
    text.push_back(token);
  }
  std::vector<TokenId> seen;
  continue_text<double>(model, {5, 9}, options, [&](TokenId token) {
    seen.push_back(token);
    return seen.size() < 4;
  });
  CHECK(seen == std::vector<TokenId>(made.begin(), made.begin() + 4));
  // A token that ends texts is not part of one.
  config.eos = {made[3]};
  auto ending = tiny::model<double>(config, tiny::options());
  const auto first = std::find(made.begin(), made.end(), made[3]);
  CHECK(continue_text(ending, {5, 9}, options) == std::vector<TokenId>(made.begin(), first));
}

TEST_CASE("tokens are drawn by their probabilities", "[llm][sampler]") {
  const std::vector<double> logits = {std::log(0.1), std::log(0.6), std::log(0.3)};
  SamplingOptions options;
  options.temperature = 1;
  std::array<int, 3> counts{};
  for (std::uint64_t number = 0; number < 10000; ++number) {
    const TokenId token = sample_token(logits.data(), 3, options, number);
    ++counts.at(static_cast<std::size_t>(token));
    CHECK(sample_token(logits.data(), 3, options, number) == token);
  }
  CHECK(std::abs(counts[0] - 1000) < 150);
  CHECK(std::abs(counts[1] - 6000) < 250);
  std::set<TokenId> seen;
  options.top_p = 0.7;
  for (std::uint64_t number = 0; number < 200; ++number)
    seen.insert(sample_token(logits.data(), 3, options, number));
  CHECK(seen == std::set<TokenId>{1, 2});
  options.top_p = 1e-9;
  CHECK(sample_token(logits.data(), 3, options, 1) == 1);
  options.top_p = 0;
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { sample_token(logits.data(), 3, options, 0); }),
             contains_text("top_p: expected a number in (0, 1]"));
  options.temperature = -1;
  CHECK_THROWS_AS(sample_token(logits.data(), 3, options, 0), lorapro::ConfigError);
}

}  // namespace
