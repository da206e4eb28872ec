// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "encode_data.hpp"

#include <lorapro/core/file_error.hpp>
#include <algorithm>  // std::count, std::min
#include <fmt/format.h>
#include <string>
#include <utility>

#include "encode_text.hpp"

namespace examples::llm {

namespace {

using lorapro::FormatError;

Index count_labels(const TokenizedExample& example) {
  return static_cast<Index>(std::count(example.trained.begin(), example.trained.end(), true));
}

/// The examples that the content of a DataExample becomes, before they are cut.
class Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, const EncodeOptions& options)
      : tokenizer_(tokenizer), options_(options), edges_(edge_tokens(tokenizer)) {}

  std::vector<TokenizedExample> operator()(const WholeText& text) const {
    return {ended(encode_segments(tokenizer_, {{text.text, true}}, SpecialTokens::as_text))};
  }

  std::vector<TokenizedExample> operator()(const Completion& example) const {
    return {ended(encode_segments(tokenizer_, {{example.prompt, false}, {example.completion, true}},
                                  SpecialTokens::as_text))};
  }

  std::vector<TokenizedExample> operator()(const Conversation& conversation) const {
    for (const Message& message : conversation) check_plain(message);
    return {encode_segments(tokenizer_, options_.chat->render(conversation, edges_),
                            SpecialTokens::parse)};
  }

  std::vector<TokenizedExample> operator()(const Segments& segments) const {
    return {encode_segments(tokenizer_, segments, SpecialTokens::parse)};
  }

  std::vector<TokenizedExample> operator()(const RunningText& text) const {
    std::vector<TokenId> ids;
    tokenizer_.encode(text.text, SpecialTokens::as_text, ids);
    const bool with_bos = tokenizer_.adds_bos() && tokenizer_.bos();
    const auto length = static_cast<std::size_t>(options_.max_length);
    std::vector<TokenizedExample> windows;
    for (std::size_t at = 0; at + (with_bos ? 0 : 1) < ids.size(); at += length - 1) {
      TokenizedExample window;
      if (with_bos) window.ids.push_back(*tokenizer_.bos());
      const std::size_t count = std::min(length - window.ids.size(), ids.size() - at);
      const auto first = ids.begin() + static_cast<std::ptrdiff_t>(at);
      window.ids.insert(window.ids.end(), first, first + static_cast<std::ptrdiff_t>(count));
      window.trained.assign(window.ids.size(), true);
      window.trained.front() = false;
      windows.push_back(std::move(window));
    }
    return windows;
  }

 private:
  TokenizedExample ended(TokenizedExample example) const {
    if (const auto eos = tokenizer_.eos()) {
      example.ids.push_back(*eos);
      example.trained.push_back(true);
    }
    return example;
  }

  /// \throws FormatError where the content has the text of a special token.
  void check_plain(const Message& message) const {
    std::vector<TokenId> as_text, parsed;
    tokenizer_.encode(message.content, SpecialTokens::as_text, as_text);
    tokenizer_.encode(message.content, SpecialTokens::parse, parsed);
    if (as_text == parsed) return;
    for (const TokenId id : parsed) {
      if (!tokenizer_.is_special(id)) continue;
      throw FormatError(
          fmt::format("messages: expected content without special tokens, got {} in a message of "
                      "the {}; texts with such tokens can be given as segments",
                      tokenizer_.piece(id), message.role));
    }
  }

  const Tokenizer& tokenizer_;
  const EncodeOptions& options_;
  EdgeTokens edges_;
};

void check_ids(const TokenizedExample& example, Index vocabulary) {
  for (const TokenId id : example.ids) {
    if (id >= 0 && id < vocabulary) continue;
    throw FormatError(fmt::format("expected tokens below {}, the vocabulary of the model, got {}",
                                  vocabulary, id));
  }
}

void add_example(TokenizedExample example, const EncodeOptions& options, EncodedData& data) {
  if (options.train_on_prompt) {
    example.trained.assign(example.ids.size(), true);
    if (!example.trained.empty()) example.trained.front() = false;
  }
  const auto length = static_cast<std::size_t>(options.max_length);
  const bool cut = example.ids.size() > length;
  if (cut) {
    example.ids.resize(length);
    example.trained.resize(length);
  }
  const Index labels = count_labels(example);
  if (labels == 0) {
    ++data.left_out;
    return;
  }
  data.truncated += cut ? 1 : 0;
  data.labels += labels;
  data.tokens += static_cast<Index>(example.ids.size());
  data.examples.push_back(std::move(example));
}

}  // namespace

EncodedData encode_data(const DataFile& file, const Tokenizer& tokenizer,
                        const EncodeOptions& options) {
  lorapro::checks::config(options.max_length >= 2, "max_length", "a number >= 2",
                          options.max_length);
  const Encoder encode(tokenizer, options);
  EncodedData data;
  for (const DataExample& example : file.examples) {
    if (std::holds_alternative<Conversation>(example.content)) {
      if (!options.chat) {
        throw lorapro::ConfigError(file.path + ": messages need a chat template, got none");
      }
      if (data.examples.empty()) check_chat_tokens(tokenizer, options.chat->style);
    }
    try {
      for (TokenizedExample& encoded : std::visit(encode, example.content)) {
        check_ids(encoded, options.vocabulary);
        add_example(std::move(encoded), options, data);
      }
    } catch (const FormatError& error) {
      throw FormatError(fmt::format("{}: line {}: {}", file.path, example.line, error.what()));
    }
  }
  if (data.examples.empty()) {
    throw FormatError(
        fmt::format("{}: expected something to learn in the first {} tokens of an "
                    "example, got none in {} examples",
                    file.path, options.max_length, data.left_out));
  }
  return data;
}

}  // namespace examples::llm
