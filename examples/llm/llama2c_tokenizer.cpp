// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama2c_tokenizer.hpp"

#include <lorapro/io/utf8.hpp>

#include <cstring>  // std::memcpy

#include "scored_pieces.hpp"

namespace examples::llm {

namespace {

constexpr TokenId kUnknown = 0, kBos = 1, kEos = 2;
constexpr std::size_t kFirstByte = 3, kFirstPiece = kFirstByte + 256;

std::string with_visible_spaces(std::string_view text) {
  Spacing spacing;
  spacing.visible = true;
  return spacing.apply(text, false);
}

}  // namespace

BpeParts parse_llama2c_tokenizer(std::string_view bytes, const std::string& file) {
  BpeParts parts;
  parts.file = file;
  std::size_t at = 0;
  const auto take = [&](auto& value, const std::string& what) {
    if (bytes.size() - at < sizeof value)
      parts.fail(what + ": expected " + std::to_string(sizeof value) + " bytes at byte " +
                 std::to_string(at) + ", got the end of the file");
    std::memcpy(&value, bytes.data() + at, sizeof value);
    at += sizeof value;
  };
  std::int32_t longest = 0;
  take(longest, "bytes of the longest piece");
  if (longest <= 0 || static_cast<std::size_t>(longest) > BpeParts::kMostBytes)
    parts.fail("expected llama2.c's tokenizer, whose longest piece has 1 to " +
               std::to_string(BpeParts::kMostBytes) + " bytes, got " + std::to_string(longest));

  std::vector<ScoredPiece> pieces;
  while (at < bytes.size()) {
    const std::string place = "piece " + std::to_string(pieces.size());
    float score = 0;
    std::int32_t size = 0;
    take(score, "score of " + place);
    take(size, "bytes of " + place);
    if (size < 0 || size > longest || static_cast<std::size_t>(size) > bytes.size() - at)
      parts.fail(place + ": expected 0 to " + std::to_string(longest) +
                 " bytes within the file, got " + std::to_string(size));
    const std::string_view text = bytes.substr(at, static_cast<std::size_t>(size));
    at += text.size();
    if (!lorapro::io::is_utf8(text)) parts.fail(place + ": expected UTF-8, got other bytes");
    ScoredPiece& piece = pieces.emplace_back();
    piece.score = static_cast<double>(score);
    piece.text = with_visible_spaces(text);
    if (pieces.size() > kFirstByte && pieces.size() <= kFirstPiece)
      piece.kind = ScoredPiece::Kind::byte;
  }
  if (pieces.size() < kFirstPiece)
    parts.fail("expected at least " + std::to_string(kFirstPiece) + " pieces, got " +
               std::to_string(pieces.size()));
  // The file has "\n<s>\n" and "\n</s>\n".
  pieces[kUnknown] = {"<unk>", 0, ScoredPiece::Kind::unknown};
  pieces[kBos] = {"<s>", 0, ScoredPiece::Kind::control};
  pieces[kEos] = {"</s>", 0, ScoredPiece::Kind::control};

  parts.spacing.visible = true;
  parts.spacing.prefix = Spacing::Prefix::always;
  parts.bos = kBos;
  parts.eos = kEos;
  parts.adds_bos = true;
  put_scored_pieces(pieces, parts);
  return parts;
}

}  // namespace examples::llm
