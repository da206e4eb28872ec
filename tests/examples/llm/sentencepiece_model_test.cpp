// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/sentencepiece_model.hpp"

#include <lorapro/core/file_error.hpp>

#include <cmath>    // std::nanf
#include <cstring>  // std::memcpy

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

using examples::llm::BpeTokenizer;
using examples::llm::parse_sentencepiece_model;
using examples::llm::SpecialTokens;
using examples::llm::TokenId;

// Messages of protocol buffers, all of whose numbers and lengths are below 128.
std::string number_field(unsigned field, unsigned value) {
  const std::string key = field < 16 ? std::string(1, static_cast<char>(field << 3U))
                                     : std::string{static_cast<char>((field << 3U & 0x7fU) | 0x80U),
                                                   static_cast<char>(field >> 4U)};
  return key + static_cast<char>(value);
}

std::string bytes_field(unsigned field, const std::string& bytes) {
  return std::string{static_cast<char>(field << 3U | 2U), static_cast<char>(bytes.size())} + bytes;
}

std::string piece_field(const std::string& text, float score, unsigned type) {
  std::string real(4, '\0');
  std::memcpy(real.data(), &score, 4);
  return bytes_field(1, bytes_field(1, text) + '\x15' + real + number_field(3, type));
}

/// Spaces are written as underscores.
std::string piece_of(std::string text, float score, unsigned type = 1) {
  for (auto at = text.find('_'); at != std::string::npos; at = text.find('_'))
    text.replace(at, 1, "\xe2\x96\x81");
  return piece_field(text, score, type);
}

const std::string kBpeTrainer = bytes_field(2, number_field(3, 2));

std::string small_model(const std::string& more = "") {
  return piece_of("<unk>", 0, 2) + piece_of("<s>", 0, 3) + piece_of("</s>", 0, 3) +
         piece_of("_", -9) + piece_of("a", -10) + piece_of("b", -11) + piece_of("_a", -2) +
         piece_of("ab", -1) + piece_of("aa", -1) + more;
}

std::vector<TokenId> ids_of_model(const std::string& model, std::string_view text) {
  std::vector<TokenId> ids;
  BpeTokenizer(parse_sentencepiece_model(model, "t.model")).encode(text, SpecialTokens::parse, ids);
  return ids;
}

std::string problem_of_model(const std::string& model) {
  return message_of<lorapro::FormatError>([&] { parse_sentencepiece_model(model, "t.model"); });
}

}  // namespace

TEST_CASE("a tokenizer.model merges what has the best score") {
  const std::string model = small_model(kBpeTrainer);
  const BpeTokenizer tokenizer(parse_sentencepiece_model(model, "t.model"));
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 2);
  CHECK(tokenizer.adds_bos());
  CHECK(tokenizer.size() == 9);
  CHECK(ids_of_model(model, "ab") == std::vector<TokenId>{3, 7});
  CHECK(ids_of_model(model, "a b") == std::vector<TokenId>{6, 3, 5});
  // Equal scores: the leftmost pair.
  CHECK(ids_of_model(model, "aab") == std::vector<TokenId>{3, 8, 5});
  CHECK(ids_of_model(model, "caa?!a") == std::vector<TokenId>{3, 0, 8, 0, 4});
  CHECK(ids_of_model(model, "<s>a</s>") == std::vector<TokenId>{1, 6, 2});
  // Spaces at the ends go, of two in a row one is left.
  CHECK(ids_of_model(model, "  b   b ") == std::vector<TokenId>{3, 5, 3, 5});
  CHECK(tokenizer.decode({1, 3, 7, 6, 2}) == "ab a");
}

TEST_CASE("a tokenizer.model says what becomes of spaces") {
  const std::string model =
      small_model(kBpeTrainer + bytes_field(3, number_field(3, 0) + number_field(4, 0)));
  CHECK(ids_of_model(model, " b  a") == std::vector<TokenId>{3, 5, 3, 6});
}

TEST_CASE("a tokenizer.model with bytes has no unknown text") {
  std::string model = small_model(bytes_field(2, number_field(3, 2) + number_field(35, 1)));
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string digits = "0123456789ABCDEF";
    model += piece_of({'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'}, 0, 6);
  }
  CHECK(ids_of_model(model, "\xc3\xa9") == std::vector<TokenId>{3, 9 + 0xc3, 9 + 0xa9});
}

TEST_CASE("a tokenizer.model that is not understood is refused by name") {
  const std::string model = small_model();
  CHECK(problem_of_model(model) == "t.model: model type: expected BPE, got another");
  const auto more = [&](const std::string& fields) {
    return problem_of_model(model + kBpeTrainer + fields);
  };
  CHECK_THAT(more(bytes_field(3, bytes_field(2, "x"))), contains_text("no precompiled_charsmap"));
  CHECK_THAT(more(bytes_field(2, number_field(24, 1))), contains_text("treat_whitespace"));
  CHECK_THAT(more(bytes_field(2, number_field(35, 1))), contains_text("expected 256 pieces"));
  CHECK_THAT(more(piece_of("<0x0A>", 0, 6)), contains_text("expected no pieces of a byte"));
  CHECK_THAT(more(piece_of("ab", -3)), contains_text("piece 9: expected a piece that is not"));
  CHECK_THAT(more(piece_of("", -3)), contains_text("piece 9: expected 1 to 512 bytes, got 0"));
  CHECK_THAT(more(piece_of("c", -3, 5)), contains_text("piece 9: expected a type"));
  CHECK_THAT(more(piece_of("x", std::nanf(""))), contains_text("piece 9: expected a score"));
  CHECK_THAT(more(piece_of("\xff", -3)), contains_text("piece 9: expected UTF-8"));
  CHECK_THAT(more(piece_of("<unk2>", 0, 2)), contains_text("expected one unknown piece"));
  CHECK_THAT(more("\x0a\x7f"), contains_text("expected a field within the message"));
  CHECK_THAT(more("\x0b"), contains_text("expected a known type of field"));
  CHECK_THAT(more(std::string(1, '\x00')), contains_text("expected a field number"));
  CHECK_THAT(more(std::string(11, '\xff')), contains_text("a number of at most ten bytes"));
  CHECK_THAT(more(std::string(3, '\xff')), contains_text("the end of a number"));
  CHECK_THAT(more(number_field(1, 1)), contains_text("field 1 to be of type 2"));
}
