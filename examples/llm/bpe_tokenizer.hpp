// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "added_tokens.hpp"
#include "bpe.hpp"
#include "pre_tokenizer.hpp"
#include "spacing.hpp"
#include "tokenizer.hpp"

namespace examples::llm {

/// A token as files describe it.
struct VocabularyToken {
  std::string text;         ///< bytes; of SentencePiece with U+2581 for a space
  bool is_known = false;    ///< a token at all, not a gap between ids
  bool is_piece = false;    ///< text may become it
  bool is_special = false;  ///< left out where ids become text
};

/// What the files of a tokenizer say; those who read them fill it.
struct BpeParts {
  static constexpr TokenId kNoToken = -1;
  /// More tokens than any tokenizer has.
  static constexpr std::size_t kMostTokens = std::size_t{1} << 20;
  /// The longest text of a token.
  static constexpr std::size_t kMostBytes = 4096;

  std::string file;                     ///< for messages
  std::vector<VocabularyToken> tokens;  ///< by id
  Bpe bpe;

  /// Byte-level: each byte of a text is a token at first. Otherwise each code point is, or its
  /// bytes, where that is none.
  bool byte_level = false;
  std::array<TokenId, 256> bytes;  ///< the tokens of single bytes, or kNoToken
  /// What else stands for a code point that is no token.
  std::optional<TokenId> unknown;
  bool fuses_unknown = false;   ///< one unknown token for those that follow one another
  bool ignores_merges = false;  ///< a piece that is a token is that token

  AddedTokens raw_tokens;         ///< found in the text as it is
  bool nfc = false;               ///< what lies between them becomes that,
  Spacing spacing;                ///< then this,
  AddedTokens normalized_tokens;  ///< then these are found in it,
  Spacing piece_spacing;          ///< what lies between becomes this,
  PreTokenizer pre_tokenizer;     ///< and falls into pieces
  /// Of both kinds, by what users call them.
  std::map<std::string, TokenId, std::less<>> added;

  std::optional<TokenId> bos, eos;
  bool adds_bos = false;

  BpeParts() { bytes.fill(kNoToken); }

  [[noreturn]] void fail(const std::string& problem) const;

  /// Makes room for a token and returns it. \throws FormatError (an id or a text beyond the limits).
  VocabularyToken& put(std::size_t id, std::string text);

  /// Has a token, which is there already, found in texts, before they are normalized or after.
  /// \param name  what users call it.
  /// \throws FormatError (an empty, too long or second content).
  void add(const AddedToken& token, const std::string& name, bool normalized);

  /// Normalizes a text as far as `normalized_tokens` ask for it.
  std::string normalize(std::string_view text, bool is_first) const;
};

/// A tokenizer of byte-pair encoding, of which there are two families: byte-level ones after GPT-2
/// and those of SentencePiece.
///
/// Bytes that are not UTF-8 count as U+FFFD. A text is encoded as if nothing stood before it.
class BpeTokenizer final : public Tokenizer {
 public:
  /// \throws FormatError if parts contradict one another.
  explicit BpeTokenizer(BpeParts parts);
  // What refers to the texts of tokens would refer to those of another object.
  BpeTokenizer(const BpeTokenizer&) = delete;
  BpeTokenizer& operator=(const BpeTokenizer&) = delete;

  /// \throws FormatError if no token stands for a part of the text.
  void encode(std::string_view text, SpecialTokens special,
              std::vector<TokenId>& ids) const override;
  std::string piece(TokenId id) const override;
  std::string decode(const std::vector<TokenId>& ids) const override;
  std::optional<TokenId> special(std::string_view text) const override;
  bool is_special(TokenId id) const override;
  Index size() const override { return static_cast<Index>(parts_.tokens.size()); }
  std::optional<TokenId> bos() const override { return parts_.bos; }
  std::optional<TokenId> eos() const override { return parts_.eos; }
  bool adds_bos() const override { return parts_.adds_bos; }

 private:
  /// Memory for the pieces of a text.
  struct Workspace {
    Bpe::Workspace bpe;
    std::vector<TokenId> unit, run;
  };

  void find_neighbours();
  bool may_merge(TokenId left, TokenId right) const;
  void encode_piece(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const;
  /// Appends the tokens that the first unit of a text is before merges, a byte or a code point.
  /// \return its bytes, and whether no token stands for it, in which case none was appended.
  std::pair<std::size_t, bool> push_unit(std::string_view text, std::vector<TokenId>& ids) const;
  const VocabularyToken& token(TokenId id) const;

  BpeParts parts_;
  std::unordered_map<std::string_view, TokenId> pieces_;  // of parts_.tokens
  /// Code points that are neighbours in a token. No merge goes over a place between others, which
  /// parts the long texts of SentencePiece into words. Not for byte-level tokenizers.
  std::unordered_set<std::uint64_t> neighbours_;
};

}  // namespace examples::llm
