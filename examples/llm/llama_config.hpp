// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/base_model.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "rope.hpp"
#include "tokens.hpp"

namespace examples::llm {

/// What a model of Llama's kind is built of. All have pre-norm blocks of grouped-query attention
/// with rotary positions and of SwiGLU, and differ in the fields here.
struct LlamaConfig {
  std::string architecture =
      "llama";  ///< as llama.cpp calls it: llama (also Mistral's), qwen2, qwen3
  Index hidden_size = 0;
  Index intermediate_size = 0;
  Index layers = 0;
  Index heads = 0;
  Index kv_heads = 0;  ///< each serves heads / kv_heads heads
  Index head_dim = 0;  ///< heads head_dim need not be hidden_size
  Index vocab_size = 0;
  Index max_positions = 0;   ///< the longest text that the model was trained with; 0: unknown
  Index sliding_window = 0;  ///< how far back a position sees; 0: to the start
  double rms_norm_eps = 1e-6;
  RopeConfig rope;
  bool qkv_bias = false;
  bool output_bias = false;  ///< of o_proj
  bool mlp_bias = false;
  bool qk_norm = false;  ///< RMSNorm over each head of q and k before they are turned
  bool tied_embeddings = false;
  std::string dtype;  ///< of the checkpoint, as it says; may be empty
  std::optional<TokenId> bos;
  std::vector<TokenId> eos;  ///< each ends a text

  Index query_size() const { return heads * head_dim; }
  Index key_size() const { return kv_heads * head_dim; }
  /// Elements of one layer's seven matrices.
  Index layer_weights() const {
    return hidden_size * (2 * query_size() + 2 * key_size() + 3 * intermediate_size);
  }
  bool ends_text(TokenId id) const;

  /// What the writer of adapters for llama.cpp has to know.
  lorapro::io::BaseModel base_model() const;

  /// \throws lorapro::ConfigError unless texts of this many tokens are computed as the model's own
  /// program computes them: within a sliding window, and within what a dynamic rope leaves alone.
  void check_length(Index length) const;
};

/// \param name  of the file, for messages.
/// \throws lorapro::FormatError that names the key: missing or impossible sizes, and by its name
/// whatever is not supported (another architecture, quantization_config, experts, other ropes...).
LlamaConfig llama_config_from_json(const nlohmann::json& document, const std::string& name);

/// config.json of a folder, and the EOS tokens of its generation_config.json, if there is one.
/// \throws lorapro::FormatError, lorapro::FileError.
LlamaConfig read_llama_config(const std::filesystem::path& folder);

}  // namespace examples::llm
