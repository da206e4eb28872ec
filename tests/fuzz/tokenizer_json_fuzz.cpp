// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/file_error.hpp>

#include <cstdlib>  // std::abort

#include "llm/tokenizer_json.hpp"

// A tokenizer.json and, behind a zero byte, a text. What is taken encodes it to ids of its own.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace examples::llm;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto end = input.find('\0');
  const std::string_view text = end == input.npos ? "a b 12's" : input.substr(end + 1);
  try {
    const BpeTokenizer tokenizer(parse_tokenizer_json(input.substr(0, end), "x"));
    for (const auto special : {SpecialTokens::parse, SpecialTokens::as_text}) {
      std::vector<TokenId> ids;
      tokenizer.encode(text, special, ids);
      for (const TokenId id : ids)
        if (id < 0 || id >= tokenizer.size()) std::abort();
      tokenizer.decode(ids);
    }
  } catch (const lorapro::FormatError&) {
  }
  return 0;
}
