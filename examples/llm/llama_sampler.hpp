// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <functional>

#include "llama.hpp"

namespace examples::llm {

struct SamplingOptions {
  double temperature = 0;  ///< 0: always the likeliest token
  double top_p = 1;        ///< only the likeliest tokens that together have this probability
  std::uint64_t seed = 0;
  Index most = 256;  ///< tokens
};

/// The token that follows: the likeliest, or one drawn from softmax(logits / temperature). Of equal
/// ones the one with the lower id.
/// \param number  of the draw: with the seed, all that chance depends on.
/// \throws lorapro::ConfigError (a temperature below 0, a top_p outside (0, 1]).
template <typename Scalar>
TokenId sample_token(const Scalar* logits, Index count, const SamplingOptions& options,
                     std::uint64_t number);

/// Continues a text token by token, up to a token that ends texts, which is not returned.
/// \param on_token  called with each token as it is made; false ends the text. May be empty.
/// \throws lorapro::ConfigError (no prompt, tokens beyond the vocabulary, a text that is longer
/// than the model can have).
template <typename Scalar>
std::vector<TokenId> continue_text(Llama<Scalar>& model, const std::vector<TokenId>& prompt,
                                   const SamplingOptions& options,
                                   const std::function<bool(TokenId)>& on_token = {});

}  // namespace examples::llm
