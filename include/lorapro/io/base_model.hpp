// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>
#include <lorapro/io/json_document.hpp>

#include <array>     // std::array
#include <optional>  // std::optional

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// What an adapter has to know of its base model to be written for llama.cpp, from the model's own
/// config.json.
struct BaseModel {
  std::string architecture;  ///< as llama.cpp calls it: llama (also Mistral's), qwen2 or qwen3
  Index layers = 0;
  Index hidden_size = 0;
  Index intermediate_size = 0;
  Index heads = 0;
  Index kv_heads = 0;
  Index head_dim = 0;
  Index vocab_size = 0;
  bool tied_embeddings = false;  ///< lm_head is the embedding: llama.cpp has no tensor for it

  /// \throws FormatError (fields missing, or of another architecture, by its name), FileError.
  static BaseModel read(const std::filesystem::path& path) {
    return from_document(read_document<nlohmann::json>(path), path.string());
  }

  static BaseModel from_document(const nlohmann::json& document, const std::string& name);
};

/// Where a module of the base model is in llama.cpp.
struct GgufTarget {
  std::string tensor;  ///< blk.0.attn_q.weight
  Index out_features = 0;
  Index in_features = 0;
  /// Heads whose rows llama.cpp has in another order (permuted_row); 0 where the order is the same.
  Index permuted_heads = 0;
};

namespace detail {

/// Sizes of a projection, as members of BaseModel; a pair is a product.
struct Projection {
  const char* module;  // behind model.layers.N.
  const char* tensor;  // behind blk.N.
  enum Size { hidden, intermediate, query, key } out, in;
};

inline constexpr std::array<Projection, 7> kProjections{
    {{"self_attn.q_proj", "attn_q", Projection::query, Projection::hidden},
     {"self_attn.k_proj", "attn_k", Projection::key, Projection::hidden},
     {"self_attn.v_proj", "attn_v", Projection::key, Projection::hidden},
     {"self_attn.o_proj", "attn_output", Projection::hidden, Projection::query},
     {"mlp.gate_proj", "ffn_gate", Projection::intermediate, Projection::hidden},
     {"mlp.up_proj", "ffn_up", Projection::intermediate, Projection::hidden},
     {"mlp.down_proj", "ffn_down", Projection::hidden, Projection::intermediate}}};

inline Index size_of(const BaseModel& base, Projection::Size size) {
  switch (size) {
    case Projection::hidden:
      return base.hidden_size;
    case Projection::intermediate:
      return base.intermediate_size;
    case Projection::query:
      return base.heads * base.head_dim;
    default:
      return base.kv_heads * base.head_dim;
  }
}

/// Takes "<prefix>N." from the front of `path`. \return N, or nothing; then `path` is as it was.
inline std::optional<Index> strip_layer(std::string_view& path, std::string_view prefix,
                                        Index layers) {
  if (path.substr(0, prefix.size()) != prefix) return std::nullopt;
  Index layer = 0;
  std::size_t k = prefix.size();
  for (; k < path.size() && path[k] >= '0' && path[k] <= '9' && layer < layers; ++k)
    layer = 10 * layer + (path[k] - '0');
  const bool canonical = k == prefix.size() + std::to_string(layer).size();  // no 007
  if (!canonical || layer >= layers || k >= path.size() || path[k] != '.') return std::nullopt;
  path.remove_prefix(k + 1);
  return layer;
}

inline Index permuted_heads(const BaseModel& base, std::string_view tensor) {
  if (base.architecture != "llama") return 0;
  return tensor == "attn_q" ? base.heads : tensor == "attn_k" ? base.kv_heads : 0;
}

}  // namespace detail

/// The tensor of a module of the base model, or nothing where llama.cpp has none.
inline std::optional<GgufTarget> gguf_target(const BaseModel& base, std::string_view module) {
  if (module == "lm_head" && !base.tied_embeddings)
    return GgufTarget{"output.weight", base.vocab_size, base.hidden_size, 0};
  std::string_view rest = module;
  const auto layer = detail::strip_layer(rest, "model.layers.", base.layers);
  if (!layer) return std::nullopt;
  for (const detail::Projection& projection : detail::kProjections)
    if (rest == projection.module)
      return GgufTarget{"blk." + std::to_string(*layer) + "." + projection.tensor + ".weight",
                        detail::size_of(base, projection.out), detail::size_of(base, projection.in),
                        detail::permuted_heads(base, projection.tensor)};
  return std::nullopt;
}

/// The module of a tensor of llama.cpp, or nothing: the opposite of gguf_target.
inline std::optional<std::string> module_of_gguf(const BaseModel& base, std::string_view tensor) {
  if (tensor == "output.weight" && !base.tied_embeddings) return "lm_head";
  std::string_view rest = tensor;
  const auto layer = detail::strip_layer(rest, "blk.", base.layers);
  if (!layer) return std::nullopt;
  for (const detail::Projection& projection : detail::kProjections)
    if (rest == std::string(projection.tensor) + ".weight")
      return "model.layers." + std::to_string(*layer) + "." + projection.module;
  return std::nullopt;
}

/// The row of q_proj or k_proj that llama.cpp's llama has at `row`: it rotates neighbours, Hugging
/// Face's models rotate a head's first half with its second, so that within a head row 2 i + j
/// comes from row j d/2 + i. \param rows  of the matrix; a multiple of 2 heads.
inline Index permuted_row(Index row, Index rows, Index heads) {
  const Index dim = rows / heads, half = dim / 2, within = row % dim;
  return row - within + (within % 2) * half + within / 2;
}

inline BaseModel BaseModel::from_document(const nlohmann::json& document, const std::string& name) {
  const auto fail = [&](const std::string& problem) { throw FormatError(name + ": " + problem); };
  const auto size = [&](const char* field, Index fallback) {
    constexpr std::int64_t kLargest = std::int64_t{1} << 31;
    const auto found = document.find(field);
    if (found == document.end() || found->is_null()) {
      if (fallback == 0) fail(std::string(field) + ": expected a whole number, got none");
      return fallback;
    }
    if (!found->is_number_integer() || found->template get<std::int64_t>() < 1 ||
        found->template get<std::int64_t>() > kLargest)
      fail(std::string(field) + ": expected a whole number from 1 to 2^31, got " +
           found->dump(-1, ' ', true).substr(0, 120));
    return static_cast<Index>(found->template get<std::int64_t>());
  };
  const auto list = document.find("architectures");
  if (list == document.end() || !list->is_array() || list->size() != 1 || !(*list)[0].is_string())
    fail("architectures: expected one name, got none or something else");
  const auto& model = (*list)[0].get_ref<const std::string&>();
  BaseModel base;
  if (model == "LlamaForCausalLM" || model == "MistralForCausalLM") {
    base.architecture = "llama";
  } else if (model == "Qwen2ForCausalLM") {
    base.architecture = "qwen2";
  } else if (model == "Qwen3ForCausalLM") {
    base.architecture = "qwen3";
  } else {
    fail(
        "architectures: expected LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM or "
        "Qwen3ForCausalLM, got " +
        detail::quoted_name(model));
  }
  base.layers = size("num_hidden_layers", 0);
  base.hidden_size = size("hidden_size", 0);
  base.intermediate_size = size("intermediate_size", 0);
  base.vocab_size = size("vocab_size", 0);
  base.heads = size("num_attention_heads", 0);
  // Llama's first models have no such field; the others' defaults are numbers of their own.
  base.kv_heads = size("num_key_value_heads", model == "LlamaForCausalLM" ? base.heads : 0);
  const bool derives = base.architecture != "qwen3" && base.hidden_size % base.heads == 0;
  base.head_dim = size("head_dim", derives ? base.hidden_size / base.heads : 0);
  if (base.head_dim % 2 != 0)
    fail("head_dim: expected an even number, got " + std::to_string(base.head_dim));
  // Null is Python's None, which is false.
  if (const auto tied = document.find("tie_word_embeddings");
      tied != document.end() && !tied->is_null()) {
    if (!tied->is_boolean())
      fail("tie_word_embeddings: expected true or false, got something else");
    base.tied_embeddings = tied->get<bool>();
  }
  return base;
}

}  // namespace io
LORAPRO_NAMESPACE_END
