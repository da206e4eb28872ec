// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama_sampler.hpp"

#include <lorapro/core/random.hpp>
#include <algorithm>  // std::max_element, std::sort
#include <cmath>      // std::exp, std::isfinite
#include <numeric>    // std::iota

namespace examples::llm {
namespace {

void check(const SamplingOptions& options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0)
    throw lorapro::ConfigError("temperature: expected a number of 0 or more, got " +
                               std::to_string(options.temperature));
  if (!(options.top_p > 0 && options.top_p <= 1))
    throw lorapro::ConfigError("top_p: expected a number in (0, 1], got " +
                               std::to_string(options.top_p));
}

}  // namespace

template <typename Scalar>
TokenId sample_token(const Scalar* logits, Index count, const SamplingOptions& options,
                     std::uint64_t number) {
  check(options);
  const Scalar* const best = std::max_element(logits, logits + count);
  if (options.temperature == 0) return static_cast<TokenId>(best - logits);
  std::vector<TokenId> ids(static_cast<std::size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  std::sort(ids.begin(), ids.end(), [&](TokenId a, TokenId b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  std::vector<double> weights;
  double total = 0;
  for (const TokenId id : ids) {
    weights.push_back(std::exp(static_cast<double>(logits[id] - *best) / options.temperature));
    total += weights.back();
  }
  double kept = 0;
  std::size_t candidates = 0;
  while (candidates < weights.size() && (candidates == 0 || kept < options.top_p * total))
    kept += weights[candidates++];
  double left = kept * lorapro::random_uniform(options.seed, number);
  for (std::size_t i = 0; i + 1 < candidates; ++i) {
    if (left < weights[i]) return ids[i];
    left -= weights[i];
  }
  return ids[candidates - 1];
}

template <typename Scalar>
std::vector<TokenId> continue_text(Llama<Scalar>& model, const std::vector<TokenId>& prompt,
                                   const SamplingOptions& options,
                                   const std::function<bool(TokenId)>& on_token) {
  check(options);
  std::vector<TokenId> text;
  auto cache = model.make_cache(static_cast<Index>(prompt.size()) + options.most);
  const Scalar* logits = model.append(cache, prompt);
  for (Index number = 0; number < options.most; ++number) {
    const TokenId next = sample_token(logits, model.config().vocab_size, options,
                                      static_cast<std::uint64_t>(number));
    if (model.config().ends_text(next)) break;
    text.push_back(next);
    if ((on_token && !on_token(next)) || number + 1 == options.most) break;
    logits = model.append(cache, {next});
  }
  return text;
}

template TokenId sample_token(const float*, Index, const SamplingOptions&, std::uint64_t);
template TokenId sample_token(const double*, Index, const SamplingOptions&, std::uint64_t);
template std::vector<TokenId> continue_text(Llama<float>&, const std::vector<TokenId>&,
                                            const SamplingOptions&,
                                            const std::function<bool(TokenId)>&);
template std::vector<TokenId> continue_text(Llama<double>&, const std::vector<TokenId>&,
                                            const SamplingOptions&,
                                            const std::function<bool(TokenId)>&);

}  // namespace examples::llm
