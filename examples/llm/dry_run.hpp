// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>

#include "finetune_data.hpp"
#include "finetune_options.hpp"
#include "model_tensors.hpp"

namespace examples::llm {

/// An example as the model sees it: its text, and each token with its number, those that the loss
/// asks for marked by *.
std::string describe_example(const TokenizedExample& example, const Tokenizer& tokenizer);

/// What a training takes, before anything of it is in memory.
/// \param steps  of it. \param speed  as product_speed.
std::string describe_cost(const FinetuneOptions& options, const LlamaConfig& config,
                          const FinetuneData& data, std::int64_t steps, double speed);

}  // namespace examples::llm
