// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "examples/llm/tokenizer.hpp"

/// A tokenizer of bytes and a few longer pieces, the longest that fits first, with what real ones
/// differ in: special tokens, BOS, and the space that SentencePiece puts before a text.
class LetterTokenizer final : public examples::llm::Tokenizer {
 public:
  using TokenId = examples::llm::TokenId;
  using Index = examples::llm::Index;

  struct Kind {
    std::vector<std::string> pieces;
    std::vector<std::string> specials{"<s>", "</s>"};
    bool adds_bos = true;
    bool adds_space = false;
  };

  explicit LetterTokenizer(Kind kind) : kind_(std::move(kind)) {}

  void encode(std::string_view text, examples::llm::SpecialTokens special,
              std::vector<TokenId>& ids) const override {
    const bool parses = special == examples::llm::SpecialTokens::parse;
    bool begins = true;  // of the text, or behind a special token
    for (std::size_t at = 0; at < text.size();) {
      const auto token = parses ? match(kind_.specials, text.substr(at)) : kind_.specials.size();
      if (token < kind_.specials.size()) {
        ids.push_back(first_special() + static_cast<TokenId>(token));
        at += kind_.specials[token].size();
        begins = true;
        continue;
      }
      const bool spaced = begins && kind_.adds_space;
      const std::string rest = (spaced ? " " : "") + std::string(text.substr(at));
      const auto piece = match(kind_.pieces, rest);
      const bool is_piece = piece < kind_.pieces.size();
      ids.push_back(is_piece ? 256 + static_cast<TokenId>(piece)
                             : static_cast<unsigned char>(rest.front()));
      at += (is_piece ? kind_.pieces[piece].size() : 1) - (spaced ? 1 : 0);
      begins = false;
    }
  }

  std::string piece(TokenId id) const override {
    if (id < 256) return std::string(1, static_cast<char>(id));
    if (id < first_special()) return kind_.pieces[static_cast<std::size_t>(id - 256)];
    return kind_.specials[static_cast<std::size_t>(id - first_special())];
  }

  std::string decode(const std::vector<TokenId>& ids) const override {
    std::string text;
    for (const TokenId id : ids) text += is_special(id) ? "" : piece(id);
    return text;
  }

  std::optional<TokenId> special(std::string_view text) const override {
    for (std::size_t i = 0; i < kind_.specials.size(); ++i) {
      if (kind_.specials[i] == text) return first_special() + static_cast<TokenId>(i);
    }
    return std::nullopt;
  }

  bool is_special(TokenId id) const override { return id >= first_special(); }
  Index size() const override {
    return first_special() + static_cast<Index>(kind_.specials.size());
  }
  std::optional<TokenId> bos() const override { return special("<s>"); }
  std::optional<TokenId> eos() const override { return special("</s>"); }
  bool adds_bos() const override { return kind_.adds_bos; }

 private:
  TokenId first_special() const { return 256 + static_cast<TokenId>(kind_.pieces.size()); }

  /// The longest of `texts` that `text` begins with, or their number.
  static std::size_t match(const std::vector<std::string>& texts, std::string_view text) {
    std::size_t best = texts.size();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const bool fits = text.substr(0, texts[i].size()) == texts[i];
      if (fits && (best == texts.size() || texts[i].size() > texts[best].size())) best = i;
    }
    return best;
  }

  Kind kind_;
};

/// What the loss asks for, as text with the special tokens; what it does not ask for becomes dots.
inline std::string trained_text(const examples::llm::Tokenizer& tokenizer,
                                const examples::llm::TokenizedExample& example) {
  std::string text;
  for (std::size_t t = 0; t < example.ids.size(); ++t) {
    const std::string piece = tokenizer.piece(example.ids[t]);
    text += example.trained[t] ? piece : std::string(piece.size(), '.');
  }
  return text;
}

/// All of it as text with the special tokens.
inline std::string whole_text(const examples::llm::Tokenizer& tokenizer,
                              const examples::llm::TokenizedExample& example) {
  std::string text;
  for (const auto id : example.ids) text += tokenizer.piece(id);
  return text;
}
