// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "model_tensors.hpp"

namespace examples::llm {
namespace {

using Shape = ModelTensors::Shape;

std::string text(const Shape& shape) {
  std::string out;
  for (const Index size : shape) out += (out.empty() ? "(" : ", ") + std::to_string(size);
  return out.empty() ? "()" : out + ")";
}

bool ends_in(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

/// What a file may have besides.
bool is_derived(const LlamaConfig& config, const std::string& name) {
  return ends_in(name, "rotary_emb.inv_freq") ||
         (config.tied_embeddings && name == "lm_head.weight");
}

}  // namespace

std::map<std::string, Shape> expected_shapes(const LlamaConfig& c) {
  std::map<std::string, Shape> out;
  out["model.embed_tokens.weight"] = {c.vocab_size, c.hidden_size};
  out["model.norm.weight"] = {c.hidden_size};
  if (!c.tied_embeddings) out["lm_head.weight"] = {c.vocab_size, c.hidden_size};
  for (Index layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const auto linear = [&](const std::string& name, Index to, Index from, bool bias) {
      out[prefix + name + ".weight"] = {to, from};
      if (bias) out[prefix + name + ".bias"] = {to};
    };
    linear("self_attn.q_proj", c.query_size(), c.hidden_size, c.qkv_bias);
    linear("self_attn.k_proj", c.key_size(), c.hidden_size, c.qkv_bias);
    linear("self_attn.v_proj", c.key_size(), c.hidden_size, c.qkv_bias);
    linear("self_attn.o_proj", c.hidden_size, c.query_size(), c.output_bias);
    linear("mlp.gate_proj", c.intermediate_size, c.hidden_size, c.mlp_bias);
    linear("mlp.up_proj", c.intermediate_size, c.hidden_size, c.mlp_bias);
    linear("mlp.down_proj", c.hidden_size, c.intermediate_size, c.mlp_bias);
    out[prefix + "input_layernorm.weight"] = {c.hidden_size};
    out[prefix + "post_attention_layernorm.weight"] = {c.hidden_size};
    if (!c.qk_norm) continue;
    out[prefix + "self_attn.q_norm.weight"] = {c.head_dim};
    out[prefix + "self_attn.k_norm.weight"] = {c.head_dim};
  }
  return out;
}

void check_tensors(const ModelTensors& tensors) {
  const auto fail = [&](const std::string& name, const std::string& problem) {
    throw lorapro::FormatError(tensors.place() + ": tensor " +
                               lorapro::io::detail::quoted_name(name) + ": " + problem);
  };
  const auto expected = expected_shapes(tensors.config());
  for (const auto& [name, shape] : expected) {
    const auto found = tensors.shapes().find(name);
    if (found == tensors.shapes().end())
      fail(name, "expected the shape " + text(shape) + ", got no such tensor");
    if (found->second != shape)
      fail(name, "expected the shape " + text(shape) + ", got " + text(found->second));
  }
  for (const auto& entry : tensors.shapes())
    if (expected.count(entry.first) == 0 && !is_derived(tensors.config(), entry.first))
      fail(entry.first, "expected none of this name in such a model");
}

}  // namespace examples::llm
