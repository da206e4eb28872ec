// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "encode_text.hpp"

#include <lorapro/core/file_error.hpp>
#include <algorithm>  // std::equal
#include <string>

namespace examples::llm {

namespace {

/// Whether a text of its own begins with a space that was not in it.
bool adds_space(const Tokenizer& tokenizer) {
  std::vector<TokenId> ids;
  tokenizer.encode("a", SpecialTokens::as_text, ids);
  return !ids.empty() && tokenizer.piece(ids.front()).substr(0, 1) == " ";
}

std::string text_of(const Tokenizer& tokenizer, const std::optional<TokenId>& id) {
  return id ? tokenizer.piece(*id) : "";
}

std::vector<std::string> tokens_of(ChatStyle style) {
  switch (style) {
    case ChatStyle::chatml:
      return {"<|im_start|>", "<|im_end|>"};
    case ChatStyle::llama3:
      return {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
    default:
      return {};  // EOS alone
  }
}

}  // namespace

void encode_continuation(const Tokenizer& tokenizer, std::string_view text, SpecialTokens special,
                         std::vector<TokenId>& ids) {
  if (!adds_space(tokenizer)) {
    tokenizer.encode(text, special, ids);
    return;
  }
  // Behind a line break, which such tokenizers never join with what follows, and which takes the
  // space.
  constexpr std::string_view kBefore = "\n";
  std::vector<TokenId> before, both;
  tokenizer.encode(kBefore, special, before);
  tokenizer.encode(std::string(kBefore) + std::string(text), special, both);
  const bool continues =
      both.size() >= before.size() && std::equal(before.begin(), before.end(), both.begin());
  if (continues) {
    ids.insert(ids.end(), both.begin() + static_cast<std::ptrdiff_t>(before.size()), both.end());
  } else {
    tokenizer.encode(text, special, ids);
  }
}

void begin_with_bos(const Tokenizer& tokenizer, std::vector<TokenId>& ids) {
  const auto bos = tokenizer.bos();
  if (!bos || !tokenizer.adds_bos()) return;
  if (ids.empty() || ids.front() != *bos) ids.insert(ids.begin(), *bos);
}

TokenizedExample encode_segments(const Tokenizer& tokenizer, const Segments& segments,
                                 SpecialTokens special) {
  Segments joined;
  for (const Segment& segment : segments) {
    if (!joined.empty() && joined.back().train == segment.train) {
      joined.back().text += segment.text;
    } else if (!segment.text.empty()) {
      joined.push_back(segment);
    }
  }
  TokenizedExample example;
  for (const Segment& segment : joined) {
    if (example.ids.empty()) {
      tokenizer.encode(segment.text, special, example.ids);
    } else {
      encode_continuation(tokenizer, segment.text, special, example.ids);
    }
    example.trained.resize(example.ids.size(), segment.train);
  }
  const std::size_t before = example.ids.size();
  begin_with_bos(tokenizer, example.ids);
  if (example.ids.size() > before) example.trained.insert(example.trained.begin(), false);
  if (!example.trained.empty()) example.trained.front() = false;
  return example;
}

EdgeTokens edge_tokens(const Tokenizer& tokenizer) {
  return {text_of(tokenizer, tokenizer.bos()), text_of(tokenizer, tokenizer.eos())};
}

void check_chat_tokens(const Tokenizer& tokenizer, ChatStyle style) {
  const auto fail = [&](const std::string& token) {
    throw lorapro::FormatError("tokenizer: expected the special token " + token +
                               ", which the chat template " + std::string(name_of(style)) +
                               " writes, got none");
  };
  for (const std::string& token : tokens_of(style)) {
    if (!tokenizer.special(token)) fail(token);
  }
  if (tokens_of(style).empty() && !tokenizer.eos()) fail("EOS");
}

}  // namespace examples::llm
