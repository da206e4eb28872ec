// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/tokenizer_config.hpp"

#include <lorapro/core/file_error.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::llm::BpeParts;

BpeParts parts_of_three() {
  BpeParts parts;
  parts.file = "tokenizer.json";
  for (const char* const name : {"<s>", "</s>", "a"}) parts.put(parts.tokens.size(), name);
  return parts;
}

BpeParts configured(const ScratchFolder& folder) {
  BpeParts parts = parts_of_three();
  examples::llm::read_tokenizer_config(folder.path(), parts);
  return parts;
}

std::string problem_of_config(const ScratchFolder& folder) {
  return message_of<lorapro::FormatError>([&] { configured(folder); });
}

}  // namespace

TEST_CASE("BOS and EOS come from tokenizer_config.json, else from special_tokens_map.json") {
  const ScratchFolder folder;
  CHECK_FALSE(configured(folder).eos);
  folder.write("config.json", R"({"bos_token_id": 0, "eos_token_id": [2, 1]})");
  CHECK(configured(folder).bos == 0);
  CHECK(configured(folder).eos == 2);
  folder.write("generation_config.json", R"({"eos_token_id": 1})");
  CHECK(configured(folder).eos == 1);
  folder.write("special_tokens_map.json", R"({"bos_token": "a", "eos_token": "a"})");
  folder.write("tokenizer_config.json",
               R"({"bos_token": null, "eos_token": {"content": "</s>"}, "add_bos_token": true})");
  const BpeParts parts = configured(folder);
  CHECK(parts.bos == 2);
  CHECK(parts.eos == 1);
  CHECK(parts.adds_bos);
}

TEST_CASE("a tokenizer's configuration that does not fit it is refused") {
  const ScratchFolder folder;
  folder.write("tokenizer_config.json", R"({"eos_token": "<end>"})");
  CHECK_THAT(problem_of_config(folder),
             contains_text("eos_token: expected a token of tokenizer.json, got \"<end>\""));
  folder.write("tokenizer_config.json", R"({"add_bos_token": 1})");
  CHECK_THAT(problem_of_config(folder), contains_text("add_bos_token: expected true or false"));
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"2": {"content": "b"}}})");
  CHECK_THAT(problem_of_config(folder), contains_text("a token that tokenizer.json has"));
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "b"}}})");
  CHECK_THAT(problem_of_config(folder), contains_text("expected an id as key"));
  folder.write("tokenizer_config.json", "{}");
  folder.write("added_tokens.json", R"({"<end>": 3})");
  CHECK_THAT(problem_of_config(folder), contains_text("added_tokens.json: \"<end>\": expected"));
  folder.write("added_tokens.json", R"({"</s>": 1})");
  CHECK(configured(folder).tokens.size() == 3);
}
