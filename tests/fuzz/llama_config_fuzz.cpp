// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/llama_config.hpp"

#include <lorapro/io/json_document.hpp>

#include <cmath>    // std::isfinite
#include <cstdlib>  // std::abort

// A config.json. What is taken has sizes that fit one another and frequencies that can be computed
// with.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace examples::llm;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const auto document = lorapro::io::parse_document<nlohmann::json>(input, "x");
    const LlamaConfig config = llama_config_from_json(document, "x");
    for (const Index number :
         {config.hidden_size, config.intermediate_size, config.layers, config.heads,
          config.kv_heads, config.head_dim, config.vocab_size, config.layer_weights()})
      if (number < 1) std::abort();
    if (config.heads % config.kv_heads != 0) std::abort();
    for (const TokenId id : config.eos)
      if (id < 0 || !config.ends_text(id)) std::abort();
    // A table of them has to fit the fuzzer's memory.
    if (config.head_dim <= 1024)
      for (const double frequency : config.rope.frequencies(config.head_dim))
        if (!std::isfinite(frequency) || frequency < 0) std::abort();
    config.check_length(512);
  } catch (const lorapro::FormatError&) {
  } catch (const lorapro::ConfigError&) {  // check_length
  }
  return 0;
}
