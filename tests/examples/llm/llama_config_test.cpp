// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/llama_config.hpp"

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::llm::llama_config_from_json;
using examples::llm::LlamaConfig;
using examples::llm::read_llama_config;
using examples::llm::RopeConfig;
using examples::llm::TokenId;
using Json = nlohmann::json;

Json llama_json() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"hidden_size", 64},
          {"intermediate_size", 172},
          {"num_hidden_layers", 5},
          {"num_attention_heads", 8},
          {"num_key_value_heads", 4},
          {"vocab_size", 512},
          {"max_position_embeddings", 2048},
          {"rms_norm_eps", 1e-5},
          {"bos_token_id", 1},
          {"eos_token_id", 2}};
}

LlamaConfig read(const Json& json) { return llama_config_from_json(json, "config.json"); }

std::string refusal(const Json& json) {
  return message_of<lorapro::FormatError>([&] { read(json); });
}

TEST_CASE("a configuration of Llama is read, with its defaults", "[llm][config]") {
  const LlamaConfig config = read(llama_json());
  CHECK(config.architecture == "llama");
  CHECK(config.head_dim == 8);
  CHECK(config.kv_heads == 4);
  CHECK(config.rms_norm_eps == 1e-5);
  CHECK(config.rope.theta == 10000);
  CHECK(config.rope.kind == RopeConfig::Kind::standard);
  CHECK_FALSE(config.tied_embeddings);
  CHECK_FALSE((config.qkv_bias || config.output_bias || config.mlp_bias || config.qk_norm));
  CHECK(config.bos == 1);
  CHECK(config.eos == std::vector<TokenId>{2});
  CHECK(config.sliding_window == 0);
}

TEST_CASE("each family has its own biases, norms and windows", "[llm][config]") {
  Json json = llama_json();
  json["attention_bias"] = true;
  json["mlp_bias"] = true;
  LlamaConfig config = read(json);
  CHECK((config.qkv_bias && config.output_bias && config.mlp_bias));

  json = llama_json();
  json["architectures"] = {"MistralForCausalLM"};
  json["sliding_window"] = 4096;
  config = read(json);
  CHECK(config.architecture == "llama");
  CHECK(config.sliding_window == 4096);
  CHECK_NOTHROW(config.check_length(4096));
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { config.check_length(4097); }),
             contains_text("max_length: expected at most 4096, the sliding window"));
  json["sliding_window"] = nullptr;
  CHECK(read(json).sliding_window == 0);

  json = llama_json();
  json["architectures"] = {"Qwen2ForCausalLM"};
  json["sliding_window"] = 32768;
  json["use_sliding_window"] = false;
  config = read(json);
  CHECK(config.qkv_bias);
  CHECK_FALSE(config.output_bias);
  CHECK(config.sliding_window == 0);
  json["use_sliding_window"] = true;
  CHECK(read(json).sliding_window == 32768);
  json["layer_types"] = {"full_attention", "full_attention"};
  CHECK(read(json).sliding_window == 0);

  json = llama_json();
  json["architectures"] = {"Qwen3ForCausalLM"};
  json["head_dim"] = 128;
  config = read(json);
  CHECK(config.qk_norm);
  CHECK(config.head_dim == 128);
  CHECK(config.query_size() == 1024);
}

TEST_CASE("both spellings of rope and dtype are read", "[llm][config]") {
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 8192}};
  Json older = llama_json();
  older["rope_theta"] = 500000.0;
  older["rope_scaling"] = llama3;
  older["torch_dtype"] = "bfloat16";
  Json newer = llama_json();
  newer["rope_parameters"] = llama3;
  newer["rope_parameters"]["rope_theta"] = 500000.0;
  newer["dtype"] = "bfloat16";
  for (const Json& json : {older, newer}) {
    const LlamaConfig config = read(json);
    CHECK(config.dtype == "bfloat16");
    CHECK(config.rope.kind == RopeConfig::Kind::llama3);
    const auto f = config.rope.frequencies(8);
    REQUIRE(f.size() == 4);
    // Waves of 2 pi, 167, 4443 and 118137 positions: two short, one on the ramp, one long.
    CHECK(f[0] == 1);
    CHECK(f[1] == Approx(std::pow(500000.0, -0.25)));
    const double third = std::pow(500000.0, -0.5), wave = 6.283185307179586 / third;
    const double share = (8192 / wave - 1) / 3;
    CHECK(share > 0);
    CHECK(share < 1);
    CHECK(f[2] == Approx((1 - share) * third / 8 + share * third));
    CHECK(f[3] == Approx(std::pow(500000.0, -0.75) / 8));
  }
  Json linear = llama_json();
  linear["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  CHECK(read(linear).rope.frequencies(8)[1] == Approx(0.1 / 4));
  Json dynamic = llama_json();
  dynamic["rope_scaling"] = {{"type", "dynamic"}, {"factor", 4.0}};
  const LlamaConfig config = read(dynamic);
  CHECK(config.rope.frequencies(8)[1] == Approx(0.1));
  CHECK_NOTHROW(config.check_length(2048));
  CHECK_THROWS_AS(config.check_length(2049), lorapro::ConfigError);
}

TEST_CASE("what is not supported is refused by its name", "[llm][config]") {
  const auto with = [](const char* key, const Json& value) {
    Json json = llama_json();
    json[key] = value;
    return refusal(json);
  };
  CHECK_THAT(with("quantization_config", {{"bits", 4}}),
             contains_text("config.json: quantization_config: expected none"));
  CHECK_THAT(with("num_local_experts", 8), contains_text("num_local_experts: expected none"));
  CHECK_THAT(with("partial_rotary_factor", 0.5), contains_text("partial_rotary_factor"));
  CHECK_THAT(with("hidden_act", "gelu"), contains_text("hidden_act: expected silu, got \"gelu\""));
  CHECK_THAT(with("architectures", {"Gemma2ForCausalLM"}), contains_text("Gemma2ForCausalLM"));
  CHECK_THAT(with("num_key_value_heads", 3),
             contains_text("num_key_value_heads: expected a divisor of the 8 heads, got 3"));
  CHECK_THAT(with("rope_scaling", {{"rope_type", "yarn"}, {"factor", 4}}),
             contains_text("rope_type: expected default, linear, llama3 or dynamic, got \"yarn\""));
  CHECK_THAT(with("rope_scaling", {{"type", "default"}, {"mrope_section", {1, 2}}}),
             contains_text("mrope_section"));
  CHECK_THAT(with("rope_scaling", {{"rope_type", "linear"}}),
             contains_text("factor: expected a number, got none"));
  CHECK_THAT(with("rope_parameters", {{"full_attention", {{"rope_theta", 1}}}}),
             contains_text("expected one rope for all layers"));
  CHECK_THAT(with("layer_types", {"chunked_attention"}), contains_text("layer_types"));
  CHECK_THAT(with("rms_norm_eps", -1), contains_text("rms_norm_eps: expected a number above 0"));
  CHECK_THAT(with("eos_token_id", "two"), contains_text("eos_token_id: expected a token"));
  CHECK_THAT(with("bos_token_id", 1e30), contains_text("bos_token_id: expected a whole number"));
}

TEST_CASE("a folder's generation_config.json has more tokens that end a text", "[llm][config]") {
  const ScratchFolder folder;
  Json json = llama_json();
  json["eos_token_id"] = {7, 8};
  folder.write("config.json", json.dump());
  CHECK(read_llama_config(folder.path()).eos == std::vector<TokenId>{7, 8});
  folder.write("generation_config.json", R"({"eos_token_id": [8, 9]})");
  const LlamaConfig config = read_llama_config(folder.path());
  CHECK(config.eos == std::vector<TokenId>{7, 8, 9});
  CHECK(config.ends_text(9));
  CHECK_FALSE(config.ends_text(1));
}

}  // namespace
