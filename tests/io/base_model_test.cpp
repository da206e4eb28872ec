// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/base_model.hpp>

#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace {

using lorapro::FormatError;
using lorapro::io::BaseModel;
using lorapro::io::gguf_target;
using lorapro::io::module_of_gguf;
using lorapro::io::permuted_row;
using nlohmann::json;

json config_of(const std::string& architecture) {
  return {{"architectures", {architecture}},
          {"num_hidden_layers", 12},
          {"hidden_size", 32},
          {"intermediate_size", 48},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"head_dim", 6},
          {"vocab_size", 100}};
}

BaseModel base_of(const std::string& architecture) {
  return BaseModel::from_document(config_of(architecture), "config.json");
}

TEST_CASE("base models by their architecture", "[base_model]") {
  CHECK(base_of("LlamaForCausalLM").architecture == "llama");
  CHECK(base_of("MistralForCausalLM").architecture == "llama");
  CHECK(base_of("Qwen2ForCausalLM").architecture == "qwen2");
  CHECK(base_of("Qwen3ForCausalLM").architecture == "qwen3");
  CHECK_THROWS_WITH(base_of("MixtralForCausalLM"), contains_text("got \"MixtralForCausalLM\""));
  CHECK_FALSE(base_of("Qwen3ForCausalLM").tied_embeddings);
}

TEST_CASE("every projection has its tensor, both ways", "[base_model]") {
  const std::vector<std::tuple<std::string, std::string, int, int>> table{
      {"model.layers.11.self_attn.q_proj", "blk.11.attn_q.weight", 24, 32},
      {"model.layers.11.self_attn.k_proj", "blk.11.attn_k.weight", 12, 32},
      {"model.layers.0.self_attn.v_proj", "blk.0.attn_v.weight", 12, 32},
      {"model.layers.0.self_attn.o_proj", "blk.0.attn_output.weight", 32, 24},
      {"model.layers.0.mlp.gate_proj", "blk.0.ffn_gate.weight", 48, 32},
      {"model.layers.0.mlp.up_proj", "blk.0.ffn_up.weight", 48, 32},
      {"model.layers.0.mlp.down_proj", "blk.0.ffn_down.weight", 32, 48},
      {"lm_head", "output.weight", 100, 32}};
  for (const std::string architecture :
       {"LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"})
    for (const auto& [module, tensor, out, in] : table) {
      CAPTURE(architecture, module);
      const BaseModel base = base_of(architecture);
      const auto target = gguf_target(base, module);
      REQUIRE(target);
      CHECK(target->tensor == tensor);
      CHECK(target->out_features == out);
      CHECK(target->in_features == in);
      const bool llama = architecture == "LlamaForCausalLM";
      const bool q = tensor.find("attn_q") != std::string::npos;
      const bool k = tensor.find("attn_k") != std::string::npos;
      CHECK(target->permuted_heads == (llama && q ? 4 : llama && k ? 2 : 0));
      CHECK(module_of_gguf(base, tensor) == module);
    }
}

TEST_CASE("what a base model has not", "[base_model]") {
  const BaseModel base = base_of("LlamaForCausalLM");
  for (const std::string module :
       {"model.layers.12.self_attn.q_proj", "model.layers.01.self_attn.q_proj",
        "model.layers..self_attn.q_proj", "model.layers.-1.self_attn.q_proj",
        "model.layers.99999999999999999999.self_attn.q_proj", "layers.0.self_attn.q_proj",
        "model.layers.0.self_attn.qkv_proj", "model.layers.0", "model.layers.0.", "model.layers.",
        "model.embed_tokens", "", "x.model.layers.0.self_attn.q_proj"})
    CHECK_FALSE(gguf_target(base, module));
  for (const std::string tensor : {"blk.12.attn_q.weight", "blk.0.attn_q", "blk.0.attn_q.weight.x",
                                   "blk.00.attn_q.weight", "token_embd.weight", ""})
    CHECK_FALSE(module_of_gguf(base, tensor));
  json tied = config_of("Qwen2ForCausalLM");
  tied["tie_word_embeddings"] = true;
  const BaseModel other = BaseModel::from_document(tied, "c");
  tied["tie_word_embeddings"] = nullptr;
  CHECK(gguf_target(BaseModel::from_document(tied, "c"), "lm_head"));
  CHECK_FALSE(gguf_target(other, "lm_head"));
  CHECK_FALSE(module_of_gguf(other, "output.weight"));
}

TEST_CASE("sizes that a config leaves out", "[base_model]") {
  json config = config_of("LlamaForCausalLM");
  config.erase("head_dim");
  config.erase("num_key_value_heads");
  const BaseModel base = BaseModel::from_document(config, "c");
  CHECK(base.kv_heads == 4);
  CHECK(base.head_dim == 8);
  config["head_dim"] = nullptr;
  CHECK(BaseModel::from_document(config, "c").head_dim == 8);
  for (const std::string architecture : {"MistralForCausalLM", "Qwen2ForCausalLM"}) {
    config["architectures"] = {architecture};
    CHECK_THROWS_WITH(BaseModel::from_document(config, "c"),
                      "c: num_key_value_heads: expected a whole number, got none");
  }
  config = config_of("Qwen3ForCausalLM");
  config.erase("head_dim");
  CHECK_THROWS_WITH(BaseModel::from_document(config, "c"),
                    "c: head_dim: expected a whole number, got none");
}

TEST_CASE("the rules of a base model's config, broken one at a time", "[base_model]") {
  for (const std::string field :
       {"num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
        "num_key_value_heads", "head_dim", "vocab_size"})
    for (const json& value :
         {json(0), json(-1), json(1.5), json("4"), json(std::uint64_t{1} << 40)}) {
      json config = config_of("LlamaForCausalLM");
      config[field] = value;
      CHECK_THROWS_WITH(BaseModel::from_document(config, "c"),
                        contains_text("c: " + field + ": expected a whole number"));
    }
  for (const json& value : {json(), json("LlamaForCausalLM"), json::array(), json({1}),
                            json({"LlamaForCausalLM", "LlamaForCausalLM"})}) {
    json config = config_of("LlamaForCausalLM");
    config["architectures"] = value;
    CHECK_THROWS_AS(BaseModel::from_document(config, "c"), FormatError);
  }
  json config = config_of("LlamaForCausalLM");
  config["head_dim"] = 7;
  CHECK_THROWS_WITH(BaseModel::from_document(config, "c"),
                    "c: head_dim: expected an even number, got 7");
  config = config_of("LlamaForCausalLM");
  config["tie_word_embeddings"] = 1;
  CHECK_THROWS_AS(BaseModel::from_document(config, "c"), FormatError);
}

/// Rotates the pairs of a head, which `pair` lists, by the angles of a position.
template <typename Pair>
std::vector<double> rotated(const std::vector<double>& head, double position, const Pair& pair) {
  std::vector<double> out(head.size());
  for (std::size_t i = 0; i < head.size() / 2; ++i) {
    const auto [first, second] = pair(i);
    const double angle = position * std::pow(10000.0, -2.0 * static_cast<double>(i) /
                                                          static_cast<double>(head.size()));
    out[first] = head[first] * std::cos(angle) - head[second] * std::sin(angle);
    out[second] = head[first] * std::sin(angle) + head[second] * std::cos(angle);
  }
  return out;
}

TEST_CASE("permuted rows turn halves that rotate together into neighbours", "[base_model]") {
  LORAPRO_TEST_RANDOM(random, 31);
  constexpr std::size_t kHeads = 3, kDim = 8, kRows = kHeads * kDim;
  const auto halves = [](std::size_t i) { return std::pair(i, i + kDim / 2); };
  const auto neighbours = [](std::size_t i) { return std::pair(2 * i, 2 * i + 1); };
  std::vector<double> q(kRows), k(kRows);
  for (auto* const vector : {&q, &k})
    for (double& x : *vector) x = random.normal();
  const auto head = [&](const std::vector<double>& rows, std::size_t h, bool permuted) {
    std::vector<double> out(kDim);
    for (std::size_t i = 0; i < kDim; ++i) {
      const auto row = static_cast<lorapro::Index>(h * kDim + i);
      out[i] = rows[static_cast<std::size_t>(permuted ? permuted_row(row, kRows, kHeads) : row)];
    }
    return out;
  };
  for (std::size_t h = 0; h < kHeads; ++h) {
    double expected = 0, came = 0;
    const auto q_halves = rotated(head(q, h, false), 5, halves);
    const auto k_halves = rotated(head(k, h, false), 2, halves);
    const auto q_neighbours = rotated(head(q, h, true), 5, neighbours);
    const auto k_neighbours = rotated(head(k, h, true), 2, neighbours);
    for (std::size_t i = 0; i < kDim; ++i) {
      expected += q_halves[i] * k_halves[i];
      came += q_neighbours[i] * k_neighbours[i];
    }
    CHECK(came == Approx(expected).epsilon(1e-12));
  }
}

}  // namespace
