// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/sentencepiece_model.hpp"

#include <lorapro/core/file_error.hpp>

#include <cstdlib>  // std::abort

// A tokenizer.model. What is taken encodes a text to ids of its own, which decode to something.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace examples::llm;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const BpeTokenizer tokenizer(parse_sentencepiece_model(input, "x"));
    std::vector<TokenId> ids;
    tokenizer.encode("aab  ab<s> \xc3\xa9 ", SpecialTokens::parse, ids);
    for (const TokenId id : ids)
      if (id < 0 || id >= tokenizer.size()) std::abort();
    tokenizer.decode(ids);
  } catch (const lorapro::FormatError&) {
  }
  return 0;
}
