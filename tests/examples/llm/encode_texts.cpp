// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Encodes texts for a comparison with another implementation:
//   encode_texts TOKENIZER TEXTS parse|as_text
// TEXTS holds of each text its number of bytes (uint32, little-endian) and its bytes. A line of JSON
// comes out for each: its ids, with BOS where the tokenizer puts one, and what they decode to.
#include <cstdint>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "llm/tokenizer.hpp"

namespace {

using examples::llm::SpecialTokens;

void encode_texts(const examples::llm::Tokenizer& tokenizer, const std::string& texts,
                  SpecialTokens special) {
  for (std::size_t at = 0; at < texts.size();) {
    std::uint32_t size = 0;
    std::memcpy(&size, texts.data() + at, sizeof size);
    std::vector<examples::llm::TokenId> ids;
    if (tokenizer.adds_bos()) ids.push_back(tokenizer.bos().value());
    tokenizer.encode(std::string_view(texts).substr(at + sizeof size, size), special, ids);
    at += sizeof size + size;
    const nlohmann::json line{{"ids", ids}, {"text", tokenizer.decode(ids)}};
    std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 4) {
    std::cerr << "usage: encode_texts TOKENIZER TEXTS parse|as_text\n";
    return 1;
  }
  try {
    std::ifstream file(argv[2], std::ios::binary);
    const std::string texts{std::istreambuf_iterator<char>(file), {}};
    encode_texts(
        *examples::llm::load_tokenizer(argv[1]), texts,
        std::strcmp(argv[3], "parse") == 0 ? SpecialTokens::parse : SpecialTokens::as_text);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
