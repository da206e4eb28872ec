// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/embedding_names.hpp>

#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace lorapro::io::detail;

TEST_CASE("tables and heads are known by the last part of their names", "[embedding_names]") {
  CHECK(module_of_weight("model.embed_tokens.weight") == "model.embed_tokens");
  CHECK(module_of_weight("lm_head.bias").empty());
  CHECK(module_of_weight(".weight").empty());
  CHECK(module_of_weight("").empty());
  CHECK(is_embedding("model.embed_tokens"));
  CHECK(is_embedding("transformer.wte"));
  CHECK_FALSE(is_embedding("model.embed_tokens.x"));
  CHECK_FALSE(is_embedding("transformer.wpe"));
  CHECK(is_head("lm_head"));
  CHECK(is_head("language_model.lm_head"));
  CHECK(is_head("embed_out"));
  CHECK_FALSE(is_head("score"));
  CHECK_FALSE(is_head(""));
}

TEST_CASE("where the head is beside an embedding", "[embedding_names]") {
  const std::vector<std::pair<std::string, std::string>> known{
      {"model.embed_tokens", "lm_head"},
      {"transformer.wte", "lm_head"},
      {"transformer.word_embeddings", "lm_head"},
      {"model.decoder.embed_tokens", "lm_head"},
      {"model.language_model.embed_tokens", "lm_head"},
      {"language_model.model.embed_tokens", "language_model.lm_head"},
      {"thinker.model.embed_tokens", "thinker.lm_head"},
      {"gpt_neox.embed_in", "embed_out"},
      {"embed_tokens", ""},
      {"bert.embeddings.word_embeddings", ""},
      {"", ""}};
  for (const auto& [embedding, head] : known) {
    CAPTURE(embedding);
    CHECK(head_beside(embedding) == head);
  }
}

}  // namespace
