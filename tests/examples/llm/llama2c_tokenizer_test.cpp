// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/llama2c_tokenizer.hpp"

#include <lorapro/core/file_error.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

using examples::llm::BpeTokenizer;
using examples::llm::parse_llama2c_tokenizer;
using examples::llm::SpecialTokens;
using examples::llm::TokenId;

template <typename T>
std::string raw_bytes(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string llama2c_piece(const std::string& text, float score = 0) {
  return raw_bytes(score) + raw_bytes(static_cast<std::int32_t>(text.size())) + text;
}

std::string llama2c_file(const std::string& more) {
  std::string file = raw_bytes(std::int32_t{9}) + llama2c_piece("<unk>") +
                     llama2c_piece("\n<s>\n") + llama2c_piece("\n</s>\n");
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string digits = "0123456789ABCDEF";
    file += llama2c_piece({'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'});
  }
  return file + more;
}

std::string problem_of_llama2c(const std::string& file) {
  return message_of<lorapro::FormatError>([&] { parse_llama2c_tokenizer(file, "t.bin"); });
}

}  // namespace

TEST_CASE("llama2.c's tokenizer has spaces as they are, and bytes after EOS") {
  const BpeTokenizer tokenizer(parse_llama2c_tokenizer(
      llama2c_file(llama2c_piece(" ", -3) + llama2c_piece("a", -4) + llama2c_piece(" a", -1)),
      "t.bin"));
  std::vector<TokenId> ids;
  tokenizer.encode("a b\n</s>", SpecialTokens::parse, ids);
  CHECK(ids == std::vector<TokenId>{261, 259, 3 + 'b', 3 + '\n', 2});
  CHECK(tokenizer.decode(ids) == "a b\n");
  CHECK(tokenizer.adds_bos());
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.special("</s>") == 2);
  CHECK(tokenizer.size() == 262);
}

TEST_CASE("llama2.c's tokenizer is checked byte by byte") {
  const std::string file = llama2c_file("");
  CHECK(problem_of_llama2c("ab").find("t.bin: bytes of the longest piece: expected 4 bytes") == 0);
  CHECK_THAT(problem_of_llama2c(file.substr(0, file.size() - 14)),
             contains_text("expected at least 259 pieces, got 258"));
  CHECK_THAT(problem_of_llama2c(file.substr(0, file.size() - 1)),
             contains_text("piece 258: expected 0 to 9 bytes within the file, got 6"));
  CHECK_THAT(problem_of_llama2c(file + "abc"), contains_text("score of piece 259: expected 4"));
  CHECK_THAT(problem_of_llama2c(file + llama2c_piece("0123456789")),
             contains_text("piece 259: expected 0 to 9 bytes"));
  CHECK_THAT(problem_of_llama2c(file + raw_bytes(0.0F) + raw_bytes(std::int32_t{-1})),
             contains_text("piece 259: expected 0 to 9 bytes"));
  CHECK_THAT(problem_of_llama2c(file + llama2c_piece("\x80")), contains_text("expected UTF-8"));
  CHECK_THAT(problem_of_llama2c(raw_bytes(std::int32_t{0}) + file),
             contains_text("whose longest piece has 1 to 4096 bytes, got 0"));
  std::string other = file;
  other[other.find("<0x41>") + 1] = 'X';
  CHECK_THAT(problem_of_llama2c(other), contains_text("piece 68: expected a byte as <0x0A>"));
}
