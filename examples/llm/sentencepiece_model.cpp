// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "sentencepiece_model.hpp"

#include <lorapro/io/error.hpp>
#include <lorapro/io/utf8.hpp>

#include <algorithm>  // std::count

#include "protobuf.hpp"
#include "scored_pieces.hpp"

namespace examples::llm {

namespace {

using Kind = ScoredPiece::Kind;

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& file) : bytes_(bytes) {
    parts_.file = file;
    parts_.spacing.removes_extra = true;
  }

  BpeParts read() {
    ProtobufMessage model(bytes_, parts_.file);
    while (model.next()) {
      if (model.field() == 1) read_piece(model.bytes());
      if (model.field() == 2) read_trainer(model.bytes());
      if (model.field() == 3) read_normalizer(model.bytes());
    }
    if (!is_bpe_) parts_.fail("model type: expected BPE, got another");
    parts_.spacing.visible = true;
    parts_.spacing.prefix = prefixed_ ? Spacing::Prefix::always : Spacing::Prefix::none;
    parts_.fuses_unknown = true;
    put_scored_pieces(pieces_, parts_);
    check_bytes();
    parts_.bos = control_piece(bos_);
    parts_.eos = control_piece(eos_);
    parts_.adds_bos = parts_.bos.has_value();
    return std::move(parts_);
  }

 private:
  void read_piece(std::string_view bytes) {
    const std::string place = parts_.file + ": piece " + std::to_string(pieces_.size());
    ProtobufMessage message(bytes, place);
    ScoredPiece piece;
    while (message.next()) {
      if (message.field() == 1) piece.text = std::string(message.bytes());
      if (message.field() == 2) piece.score = static_cast<double>(message.real());
      if (message.field() == 3) piece.kind = kind(message.number(), place);
    }
    if (!lorapro::io::is_utf8(piece.text))
      throw lorapro::FormatError(place + ": expected UTF-8, got other bytes");
    pieces_.push_back(std::move(piece));
  }

  static Kind kind(std::uint64_t type, const std::string& place) {
    switch (type) {
      case 1:
        return Kind::normal;
      case 2:
        return Kind::unknown;
      case 3:
        return Kind::control;
      case 4:
        return Kind::user_defined;
      case 6:
        return Kind::byte;
      default:
        throw lorapro::FormatError(place +
                                   ": expected a type 1 (normal), 2, 3, 4 or 6 (byte), got " +
                                   std::to_string(type));
    }
  }

  void read_trainer(std::string_view bytes) {
    ProtobufMessage trainer(bytes, parts_.file + ": trainer_spec");
    while (trainer.next()) {
      if (trainer.field() == 3) is_bpe_ = trainer.number() == 2;
      if (trainer.field() == 24 && trainer.flag())
        trainer.fail("treat_whitespace_as_suffix to be false");
      if (trainer.field() == 35) byte_fallback_ = trainer.flag();
      if (trainer.field() == 46) bos_ = std::string(trainer.bytes());
      if (trainer.field() == 47) eos_ = std::string(trainer.bytes());
    }
  }

  void read_normalizer(std::string_view bytes) {
    ProtobufMessage normalizer(bytes, parts_.file + ": normalizer_spec");
    while (normalizer.next()) {
      if (normalizer.field() == 2 && !normalizer.bytes().empty())
        normalizer.fail("no precompiled_charsmap, as of the normalization identity");
      if (normalizer.field() == 3) prefixed_ = normalizer.flag();
      if (normalizer.field() == 4) parts_.spacing.removes_extra = normalizer.flag();
      if (normalizer.field() == 5 && !normalizer.flag())
        normalizer.fail("escape_whitespaces to be true");
    }
  }

  void check_bytes() const {
    const auto missing = std::count(parts_.bytes.begin(), parts_.bytes.end(), BpeParts::kNoToken);
    if (missing != (byte_fallback_ ? 0 : 256))
      parts_.fail("expected " + std::string(byte_fallback_ ? "256" : "no") +
                  " pieces of a byte by byte_fallback, got " + std::to_string(256 - missing));
  }

  std::optional<TokenId> control_piece(const std::string& text) const {
    const auto found = parts_.added.find(text);
    if (found == parts_.added.end()) return std::nullopt;
    return found->second;
  }

  std::string_view bytes_;
  BpeParts parts_;
  std::vector<ScoredPiece> pieces_;
  // What holds where the file says nothing.
  bool is_bpe_ = false, byte_fallback_ = false, prefixed_ = true;
  std::string bos_ = "<s>", eos_ = "</s>";
};

}  // namespace

BpeParts parse_sentencepiece_model(std::string_view bytes, const std::string& file) {
  return Reader(bytes, file).read();
}

}  // namespace examples::llm
