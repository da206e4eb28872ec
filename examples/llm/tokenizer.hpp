// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokens.hpp"

namespace examples::llm {

/// Whether the texts of special tokens ("<|im_end|>") stand for those tokens, or are text as any.
enum class SpecialTokens { parse, as_text };

/// Text to token ids and back, as the tokenizer that a model was trained with does it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Appends the ids of a text; adds neither BOS nor EOS.
  virtual void encode(std::string_view text, SpecialTokens special,
                      std::vector<TokenId>& ids) const = 0;

  /// The bytes that an id stands for; of a special token its text.
  virtual std::string piece(TokenId id) const = 0;

  /// The text of ids that follow one another; special tokens are left out.
  virtual std::string decode(const std::vector<TokenId>& ids) const = 0;

  /// The id of a special token, or of another that is added to the vocabulary, by its text.
  virtual std::optional<TokenId> special(std::string_view text) const = 0;

  virtual bool is_special(TokenId id) const = 0;

  /// Ids are below it.
  virtual Index size() const = 0;

  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;

  /// Whether a text begins with BOS.
  virtual bool adds_bos() const = 0;
};

/// The tokenizer of a model: a folder with tokenizer.json or tokenizer.model, one of these files, a
/// GGUF file, or llama2.c's tokenizer file.
/// \throws lorapro::FormatError, lorapro::FileError, which name the file.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path);

}  // namespace examples::llm
