// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama_config.hpp"

#include <algorithm>  // std::find

#include "json_fields.hpp"

namespace examples::llm {
namespace {

using lorapro::io::detail::shown;

/// Adds the token or tokens of `eos_token_id`.
void add_eos(const JsonFields& fields, std::vector<TokenId>& eos) {
  const std::string key = "eos_token_id";
  const nlohmann::json* const value = fields.find(key);
  if (value == nullptr) return;
  const nlohmann::json list = value->is_array() ? *value : nlohmann::json::array({*value});
  for (const nlohmann::json& id : list) {
    if (!id.is_number_integer() || id < 0 || id > 0x7fffffff)
      fields.fail(key, "expected a token or a list of tokens, got " + shown(*value));
    const auto token = id.get<TokenId>();
    if (std::find(eos.begin(), eos.end(), token) == eos.end()) eos.push_back(token);
  }
}

/// \throws lorapro::FormatError for what changes the model and is not supported.
void refuse_unsupported(const JsonFields& fields) {
  for (const char* const key :
       {"quantization_config", "num_experts", "num_local_experts", "n_routed_experts",
        "no_rope_layers", "attention_chunk_size", "final_logit_softcapping"})
    if (fields.has(key))
      fields.fail(key, "expected none, as it is not supported, got " + shown(*fields.find(key)));
  if (fields.positive("partial_rotary_factor").value_or(1) != 1)
    fields.fail("partial_rotary_factor", "expected 1, as others are not supported, got " +
                                             shown(*fields.find("partial_rotary_factor")));
  const std::string activation = fields.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    fields.fail("hidden_act", "expected silu, got " + lorapro::io::detail::quoted_name(activation));
}

/// Whether any layer has the window that `sliding_window` says.
bool has_window(const JsonFields& fields, bool is_qwen) {
  if (const nlohmann::json* const types = fields.find("layer_types")) {
    bool any = false;
    if (!types->is_array()) fields.fail("layer_types", "expected a list, got " + shown(*types));
    for (const nlohmann::json& type : *types) {
      if (type != "full_attention" && type != "sliding_attention")
        fields.fail("layer_types",
                    "expected full_attention or sliding_attention, got " + shown(type));
      any = any || type == "sliding_attention";
    }
    return any;
  }
  return !is_qwen || fields.boolean("use_sliding_window", false);
}

}  // namespace

bool LlamaConfig::ends_text(TokenId id) const {
  return std::find(eos.begin(), eos.end(), id) != eos.end();
}

lorapro::io::BaseModel LlamaConfig::base_model() const {
  lorapro::io::BaseModel base;
  base.architecture = architecture;
  base.layers = layers;
  base.hidden_size = hidden_size;
  base.intermediate_size = intermediate_size;
  base.heads = heads;
  base.kv_heads = kv_heads;
  base.head_dim = head_dim;
  base.vocab_size = vocab_size;
  base.tied_embeddings = tied_embeddings;
  return base;
}

void LlamaConfig::check_length(Index length) const {
  const auto check = [&](Index most, const std::string& what) {
    if (most > 0 && length > most)
      throw lorapro::ConfigError("max_length: expected at most " + std::to_string(most) + ", " +
                                 what + ", got " + std::to_string(length));
  };
  check(sliding_window, "the sliding window of this model");
  if (rope.kind == RopeConfig::Kind::dynamic)
    check(max_positions, "up to which the dynamic rope of this model changes nothing");
}

LlamaConfig llama_config_from_json(const nlohmann::json& document, const std::string& name) {
  // Architecture, sizes and tied embeddings, as the writer of adapters reads them.
  const auto base = lorapro::io::BaseModel::from_document(document, name);
  const JsonFields fields(document, name);
  refuse_unsupported(fields);
  const std::string model = document["architectures"][0];
  const bool is_qwen2 = model == "Qwen2ForCausalLM", is_qwen3 = model == "Qwen3ForCausalLM";
  LlamaConfig config;
  config.architecture = base.architecture;
  config.hidden_size = base.hidden_size;
  config.intermediate_size = base.intermediate_size;
  config.layers = base.layers;
  config.heads = base.heads;
  config.kv_heads = base.kv_heads;
  config.head_dim = base.head_dim;
  config.vocab_size = base.vocab_size;
  config.tied_embeddings = base.tied_embeddings;
  if (config.kv_heads > config.heads || config.heads % config.kv_heads != 0)
    fields.fail("num_key_value_heads", "expected a divisor of the " + std::to_string(config.heads) +
                                           " heads, got " + std::to_string(config.kv_heads));
  config.max_positions = fields.integer("max_position_embeddings", 1).value_or(0);
  config.rms_norm_eps = fields.positive("rms_norm_eps").value_or(1e-6);
  config.rope = rope_from_json(document, name);
  if (has_window(fields, is_qwen2 || is_qwen3))
    config.sliding_window = fields.integer("sliding_window", 1).value_or(0);
  const bool attention_bias =
      model != "MistralForCausalLM" && !is_qwen2 && fields.boolean("attention_bias", false);
  config.qkv_bias = is_qwen2 || attention_bias;
  config.output_bias = attention_bias;
  config.mlp_bias = model == "LlamaForCausalLM" && fields.boolean("mlp_bias", false);
  config.qk_norm = is_qwen3;
  config.dtype = fields.text("dtype", fields.text("torch_dtype", ""));
  if (const auto bos = fields.integer("bos_token_id", 0, 0x7fffffff))
    config.bos = static_cast<TokenId>(*bos);
  add_eos(fields, config.eos);
  return config;
}

LlamaConfig read_llama_config(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  LlamaConfig config =
      llama_config_from_json(lorapro::io::read_document<nlohmann::json>(path), path.string());
  const auto generation = folder / "generation_config.json";
  std::error_code ignored;
  if (std::filesystem::exists(generation, ignored)) {
    const auto document = lorapro::io::read_document<nlohmann::json>(generation);
    add_eos(JsonFields(document, generation.string()), config.eos);
  }
  return config;
}

}  // namespace examples::llm
