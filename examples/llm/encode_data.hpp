// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <vector>

#include "chat_template.hpp"
#include "data_example.hpp"
#include "tokenizer.hpp"

namespace examples::llm {

struct EncodeOptions {
  Index max_length = 512;            ///< ids of an example; what is beyond is cut off
  bool train_on_prompt = false;      ///< the loss asks for every id, not for answers alone
  Index vocabulary = 0;              ///< of the model: ids are below it
  std::optional<ChatTemplate> chat;  ///< conversations need one
};

/// A file of data as a model sees it.
struct EncodedData {
  std::vector<TokenizedExample> examples;
  Index truncated = 0;  ///< examples of which only the beginning is left
  Index left_out = 0;   ///< examples of which nothing to learn is left
  Index tokens = 0;     ///< ids of all examples
  Index labels = 0;     ///< ids that the loss asks for
};

/// Texts of their own begin with BOS where the tokenizer has it so; whole texts and completions end
/// in EOS, which is trained on. Running texts become windows of max_length ids that overlap by one
/// id, or begin with BOS each. In conversations and completions the loss asks for answers, in
/// segments for what they say, in other texts for all.
/// Special tokens are written in segments alone: elsewhere their texts are texts, and an error in
/// conversations, since programs that render them would take them for tokens.
/// \throws lorapro::FormatError (with file and line: a conversation that the template cannot
/// render, an id beyond the vocabulary; nothing to learn at all), lorapro::ConfigError (no chat
/// template for conversations, max_length < 2).
EncodedData encode_data(const DataFile& file, const Tokenizer& tokenizer,
                        const EncodeOptions& options);

}  // namespace examples::llm
