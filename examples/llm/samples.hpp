// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "finetune_options.hpp"
#include "llama.hpp"
#include "tokenizer.hpp"

namespace examples::llm {

/// The ids that a model is to go on with: a text, or a user's question as the chat template has it.
/// \throws as chat_template_of and encode_data.
std::vector<TokenId> prompt_ids(const FinetuneOptions& options, const Tokenizer& tokenizer,
                                const std::string& prompt);

/// The prompt and how the model goes on. The same for the same model and seed.
std::string sample_text(const FinetuneOptions& options, const Tokenizer& tokenizer,
                        Llama<float>& model, const std::string& prompt);

}  // namespace examples::llm
