// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "scored_pieces.hpp"

#include <lorapro/io/error.hpp>

#include <algorithm>  // std::sort
#include <cmath>      // std::isnan

#include "unicode_text.hpp"

namespace examples::llm {

namespace {

/// Longer pieces would make the search for merges slow; SentencePiece has 16 code points.
constexpr std::size_t kMostBytesOfPiece = 512;

using Kind = ScoredPiece::Kind;

class Filler {
 public:
  Filler(const std::vector<ScoredPiece>& pieces, BpeParts& parts)
      : pieces_(pieces), parts_(parts) {}

  void fill() {
    if (pieces_.size() > BpeParts::kMostTokens)
      parts_.fail("expected at most " + std::to_string(BpeParts::kMostTokens) + " pieces, got " +
                  std::to_string(pieces_.size()));
    parts_.tokens.resize(pieces_.size());
    ids_.reserve(pieces_.size());
    for (std::size_t id = 0; id < pieces_.size(); ++id) put(id);
    rank();
    for (std::size_t id = 0; id < pieces_.size(); ++id)
      if (pieces_[id].kind == Kind::normal) put_merges(id);
  }

 private:
  void put(std::size_t id) {
    const ScoredPiece& piece = pieces_[id];
    const auto number = static_cast<TokenId>(id);
    VocabularyToken& token = parts_.put(id, piece.text);
    if (std::isnan(piece.score)) fail(id, "a score that is a number, got none");
    switch (piece.kind) {
      case Kind::normal:
        if (piece.text.empty() || piece.text.size() > kMostBytesOfPiece)
          fail(id, "1 to " + std::to_string(kMostBytesOfPiece) + " bytes, got " +
                       std::to_string(piece.text.size()));
        if (!ids_.emplace(piece.text, number).second)
          fail(id, "a piece that is not there yet, got " +
                       lorapro::io::detail::quoted_name(piece.text) + " again");
        token.is_piece = true;
        break;
      case Kind::byte: {
        const auto byte = byte_of_name(piece.text);
        if (!byte)
          fail(id, "a byte as <0x0A>, got " + lorapro::io::detail::quoted_name(piece.text));
        token.text.assign(1, static_cast<char>(*byte));
        if (parts_.bytes[*byte] != BpeParts::kNoToken)
          fail(id, "each byte once, got " + piece.text + " again");
        parts_.bytes[*byte] = number;
        break;
      }
      case Kind::unused:
        break;
      case Kind::unknown:
        if (parts_.unknown) fail(id, "one unknown piece, got two");
        parts_.unknown = number;
        [[fallthrough]];
      case Kind::control:
      case Kind::added:
      case Kind::user_defined: {
        AddedToken added;
        added.id = number;
        added.content = piece.text;
        added.special = piece.kind == Kind::control || piece.kind == Kind::unknown;
        parts_.add(added, piece.text, piece.kind == Kind::user_defined);
        break;
      }
    }
  }

  /// Equal scores have equal ranks, so that of these the leftmost pair merges first.
  void rank() {
    std::vector<double> scores;
    for (const ScoredPiece& piece : pieces_) scores.push_back(-piece.score);
    std::sort(scores.begin(), scores.end());
    scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
    for (const ScoredPiece& piece : pieces_)
      ranks_.push_back(static_cast<std::int32_t>(
          std::lower_bound(scores.begin(), scores.end(), -piece.score) - scores.begin()));
  }

  void put_merges(std::size_t id) {
    const std::string_view text = pieces_[id].text;
    for (std::size_t cut = code_point_bytes(text.front()); cut < text.size();
         cut += code_point_bytes(text[cut])) {
      const auto left = ids_.find(text.substr(0, cut)), right = ids_.find(text.substr(cut));
      if (left != ids_.end() && right != ids_.end())
        parts_.bpe.add({left->second, right->second, static_cast<TokenId>(id), ranks_[id]});
    }
  }

  [[noreturn]] void fail(std::size_t id, const std::string& problem) const {
    parts_.fail("piece " + std::to_string(id) + ": expected " + problem);
  }

  const std::vector<ScoredPiece>& pieces_;
  BpeParts& parts_;
  std::unordered_map<std::string_view, TokenId> ids_;  // of the normal ones
  std::vector<std::int32_t> ranks_;
};

}  // namespace

void put_scored_pieces(const std::vector<ScoredPiece>& pieces, BpeParts& parts) {
  Filler(pieces, parts).fill();
}

std::optional<unsigned char> byte_of_name(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return std::nullopt;
  unsigned byte = 0;
  for (const char c : text.substr(3, 2)) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(c >= 'A' && c <= 'F')) return std::nullopt;
    byte = 16 * byte + static_cast<unsigned>(is_digit ? c - '0' : c - 'A' + 10);
  }
  return static_cast<unsigned char>(byte);
}

}  // namespace examples::llm
