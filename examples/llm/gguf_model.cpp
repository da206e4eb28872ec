// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_file.hpp>

#include "gguf_model_config.hpp"
#include "llama_files.hpp"

namespace examples::llm {
namespace {

using lorapro::bfloat16;
using lorapro::io::GgufTensor;
using lorapro::io::GgufType;

/// Hugging Face's names behind "model.layers.N." of what llama.cpp has behind "blk.N.".
constexpr std::pair<const char*, const char*> kBlockNames[] = {
    {"attn_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}};

/// A tensor's name as Hugging Face has it, or its own where that has none.
std::string hf_name(const lorapro::io::BaseModel& base, const std::string& name) {
  if (name == "token_embd.weight") return "model.embed_tokens.weight";
  if (name == "output_norm.weight") return "model.norm.weight";
  if (name == "output.weight") return "lm_head.weight";
  const auto dot = name.rfind('.');
  if (dot == std::string::npos) return name;
  const std::string kind = name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return name;
  if (const auto module = lorapro::io::module_of_gguf(base, name.substr(0, dot) + ".weight"))
    return *module + kind;
  std::string_view rest = name;
  const auto layer = lorapro::io::detail::strip_layer(rest, "blk.", base.layers);
  for (const auto& [from, to] : kBlockNames)
    if (layer && rest == from + kind)
      return "model.layers." + std::to_string(*layer) + "." + to + kind;
  return name;
}

class GgufModel final : public ModelTensors {
 public:
  explicit GgufModel(const std::string& path)
      : path_(path), file_(path), config_(llama_config_of_gguf(file_.reader())) {
    const auto base = config_.base_model();
    for (const GgufTensor& tensor : file_.reader().tensors()) {
      if (tensor.name == "rope_freqs.weight") continue;  // in the configuration
      const std::string name = hf_name(base, tensor.name);
      Shape shape;
      for (auto size = tensor.ne.rbegin(); size != tensor.ne.rend(); ++size) {
        if (*size > std::uint64_t{1} << 31U)
          file_.reader().fail("tensor " + lorapro::io::detail::quoted_name(tensor.name) +
                              ": expected sizes up to 2^31, got " + std::to_string(*size));
        shape.push_back(static_cast<Index>(*size));
      }
      if (!tensors_.emplace(name, &tensor).second)
        file_.reader().fail("tensor " + lorapro::io::detail::quoted_name(tensor.name) +
                            ": expected one of its kind, got two");
      shapes_.emplace(name, std::move(shape));
    }
  }

  const LlamaConfig& config() const override { return config_; }
  std::string place() const override { return path_; }
  const std::map<std::string, Shape>& shapes() const override { return shapes_; }

  void read(const std::string& name, Index row, Index rows, float* out) const override {
    const GgufTensor& tensor = *tensors_.at(name);
    const Shape& shape = shapes_.at(name);
    const Index heads = permuted_heads(name);
    if (heads > 0 && shape.size() == 1) return read_bias(tensor, heads, out);
    const Index cols = shape.back();
    for (Index i = 0; i < rows; ++i) {
      const Index from = heads > 0 ? file_row(row + i) : row + i;
      lorapro::io::read_gguf(tensor, static_cast<std::uint64_t>(from * cols),
                             static_cast<std::size_t>(cols), out + i * cols);
    }
  }

  const bfloat16* mapped(const std::string& name) const override {
    const GgufTensor& tensor = *tensors_.at(name);
    const bool usable = tensor.type == GgufType::bf16 && permuted_heads(name) == 0 &&
                        reinterpret_cast<std::uintptr_t>(tensor.data) % alignof(bfloat16) == 0;
    return usable ? reinterpret_cast<const bfloat16*>(tensor.data) : nullptr;
  }

  void forget(const std::string& name) const override { file_.forget(*tensors_.at(name)); }

 private:
  Index permuted_heads(const std::string& name) const {
    if (config_.architecture != "llama") return 0;
    if (name.find("self_attn.q_proj") != std::string::npos) return config_.heads;
    return name.find("self_attn.k_proj") != std::string::npos ? config_.kv_heads : 0;
  }

  /// Where row j d / 2 + i of a head is in the file: at 2 i + j.
  Index file_row(Index row) const {
    const Index within = row % config_.head_dim, half = config_.head_dim / 2;
    return row - within + 2 * (within % half) + within / half;
  }

  void read_bias(const GgufTensor& tensor, Index heads, float* out) const {
    for (Index row = 0; row < heads * config_.head_dim; ++row)
      lorapro::io::read_gguf(tensor, static_cast<std::uint64_t>(file_row(row)), 1, out + row);
  }

  std::string path_;
  lorapro::io::GgufFile file_;
  LlamaConfig config_;
  std::map<std::string, const GgufTensor*> tensors_;
  std::map<std::string, Shape> shapes_;
};

}  // namespace

std::shared_ptr<const ModelTensors> open_gguf_model(const std::string& path) {
  return std::make_shared<GgufModel>(path);
}

}  // namespace examples::llm
