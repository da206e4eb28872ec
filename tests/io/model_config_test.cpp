// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/model_config.hpp>

#include "support/catch.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"

namespace {

using lorapro::FormatError;
using lorapro::io::ModelConfig;

ModelConfig model_config_of(const std::string& text) {
  const ScratchFolder folder;
  return ModelConfig(folder.write("config.json", text));
}

TEST_CASE("what a config says of tied embeddings", "[model_config]") {
  const auto said = [](const std::string& text) { return model_config_of(text).ties_embeddings(); };
  CHECK(said(R"({"tie_word_embeddings": true})") == true);
  CHECK(said(R"({"tie_word_embeddings": false})") == false);
  CHECK(said(R"({"tie_word_embeddings": null})") == false);
  CHECK(said("{}") == std::nullopt);
  CHECK(said(R"({"text_config": {"tie_word_embeddings": true}})") == true);
  CHECK(said(R"({"text_config": {}, "tie_word_embeddings": false})") == false);
  CHECK(said(R"({"llm_config": {"tie_word_embeddings": false}})") == false);
  CHECK(said(R"({"text_config": {"tie_word_embeddings": true}, "tie_word_embeddings": true})") ==
        true);
  CHECK_THROWS_WITH(
      said(R"({"text_config": {"tie_word_embeddings": true}, "tie_word_embeddings": false})"),
      contains_text("tie_word_embeddings: expected one value, got true and false in two places"));
  CHECK_THROWS_AS(said(R"({"tie_word_embeddings": 1})"), FormatError);
}

TEST_CASE("families that are tied unless they say otherwise", "[model_config]") {
  const auto tied = [](const std::string& text) { return model_config_of(text).ties_by_default(); };
  for (const std::string type :
       {"gemma", "gemma3_text", "gpt2", "opt", "bloom", "falcon", "cohere"})
    CHECK(tied(R"({"model_type": ")" + type + "\"}"));
  for (const std::string type : {"llama", "mistral", "qwen2", "qwen3", "unheard_of"})
    CHECK_FALSE(tied(R"({"model_type": ")" + type + "\"}"));
  CHECK(tied(R"({"model_type": "x", "text_config": {"model_type": "gemma3_text"}})"));
  CHECK_FALSE(tied(R"({"model_type": 3})"));
}

TEST_CASE("models with a head and without", "[model_config]") {
  const auto head = [](const std::string& name) {
    return model_config_of(R"({"architectures": [")" + name + "\"]}").has_head();
  };
  for (const char* const name :
       {"LlamaForCausalLM", "GPT2LMHeadModel", "BertForMaskedLM", "Gemma3ForConditionalGeneration"})
    CHECK(head(name));
  for (const char* const name : {"LlamaModel", "Model", "LlamaForSequenceClassification",
                                 "Qwen2ForTokenClassification", "LlamaForQuestionAnswering"})
    CHECK_FALSE(head(name));
  for (const char* const text : {"{}", R"({"architectures": null})", R"({"architectures": []})",
                                 R"({"architectures": [1]})"})
    CHECK(model_config_of(text).has_head());
}

TEST_CASE("a config is changed where it has to be and kept otherwise", "[model_config]") {
  ModelConfig config = model_config_of(
      R"({"z": 1e-05, "tie_word_embeddings": true, "vocab_size": 16, "a": [1.0, "é"]})");
  CHECK_FALSE(config.changed());
  config.untie();
  config.set_vocab_size(18);
  CHECK(config.changed());
  CHECK(config.text() ==
        "{\n  \"z\": 1e-05,\n  \"tie_word_embeddings\": false,\n  \"vocab_size\": 18,\n  \"a\": [\n"
        "    1.0,\n    \"\\u00e9\"\n  ]\n}\n");

  ModelConfig nested = model_config_of(R"({"text_config": {"vocab_size": 16}})");
  nested.untie();
  nested.set_vocab_size(18);
  const auto document = nlohmann::json::parse(nested.text());
  CHECK(document == nlohmann::json::parse(R"({"text_config": {"vocab_size": 18,
      "tie_word_embeddings": false}, "tie_word_embeddings": false})"));

  ModelConfig silent = model_config_of("{}");
  silent.set_vocab_size(7);
  CHECK(nlohmann::json::parse(silent.text())["vocab_size"] == 7);
  CHECK(model_config_of(R"({"is_encoder_decoder": true})").is_encoder_decoder());
  CHECK_FALSE(model_config_of(R"({"is_encoder_decoder": false})").is_encoder_decoder());
}

TEST_CASE("a config that is no config", "[model_config]") {
  const ScratchFolder folder;
  CHECK_THROWS_AS(ModelConfig(folder.path() / "none"), lorapro::FileError);
  CHECK_THROWS_WITH(ModelConfig(folder.write("config.json", "<html>")),
                    contains_text("config.json: expected JSON, got an HTML page"));
}

}  // namespace
