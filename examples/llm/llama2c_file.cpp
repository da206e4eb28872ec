// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/file_reader.hpp>
#include <array>
#include <cstring>  // std::memcpy

#include "llama_files.hpp"

namespace examples::llm {
namespace {

using lorapro::FormatError;

/// A checkpoint of llama2.c: seven int32, then float32 tensors in a fixed order, those of all
/// layers together. Rows of q and k alternate between the halves of a head.
class Llama2cFile final : public ModelTensors {
 public:
  explicit Llama2cFile(const std::string& path) : file_(path) {
    const bool tied = read_header();
    std::uint64_t end = kHeader;
    const Index d = config_.hidden_size, f = config_.intermediate_size;
    const Index q = config_.query_size(), k = config_.key_size();
    add("model.embed_tokens.weight", {config_.vocab_size, d}, end);
    add_layers("input_layernorm.weight", {d}, end);
    add_layers("self_attn.q_proj.weight", {q, d}, end);
    add_layers("self_attn.k_proj.weight", {k, d}, end);
    add_layers("self_attn.v_proj.weight", {k, d}, end);
    add_layers("self_attn.o_proj.weight", {d, q}, end);
    add_layers("post_attention_layernorm.weight", {d}, end);
    add_layers("mlp.gate_proj.weight", {f, d}, end);
    add_layers("mlp.down_proj.weight", {d, f}, end);
    add_layers("mlp.up_proj.weight", {f, d}, end);
    add("model.norm.weight", {d}, end);
    // Cosines and sines of the positions, which are computed anew.
    end += static_cast<std::uint64_t>(config_.max_positions * config_.head_dim) * sizeof(float);
    if (!tied) add("lm_head.weight", {config_.vocab_size, d}, end);
    if (end != file_.size())
      fail("expected " + std::to_string(end) + " bytes for the sizes in its header, got " +
           std::to_string(file_.size()));
  }

  const LlamaConfig& config() const override { return config_; }
  std::string place() const override { return file_.path().string(); }
  const std::map<std::string, Shape>& shapes() const override { return shapes_; }

  void read(const std::string& name, Index row, Index rows, float* out) const override {
    const Shape& shape = shapes_.at(name);
    const Index cols = shape.back();
    const bool permuted = is_permuted(name);
    const auto row_bytes = static_cast<std::size_t>(cols) * sizeof(float);
    for (Index i = 0; i < rows; ++i) {
      const Index from = permuted ? file_row(row + i, config_.head_dim) : row + i;
      file_.read(offsets_.at(name) + static_cast<std::uint64_t>(from) * row_bytes, row_bytes,
                 out + i * cols);
    }
  }

 private:
  static constexpr std::uint64_t kHeader = 7 * sizeof(std::int32_t);

  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(file_.path().string() + ": " + problem);
  }

  /// \return whether the head is the embedding.
  bool read_header() {
    constexpr std::int32_t kNumbered = 0x616b3432;  // "ak42", of later versions
    std::array<std::int32_t, 7> header{};
    if (file_.size() < kHeader)
      fail("expected the 28 bytes of a header, got a file of " + std::to_string(file_.size()));
    file_.read(0, kHeader, header.data());
    if (header[0] == kNumbered)
      fail("expected a checkpoint of llama2.c without a version, got version " +
           std::to_string(header[1]));
    const bool tied = header[5] > 0;
    if (header[5] == std::numeric_limits<std::int32_t>::min()) fail("vocabulary: got no number");
    header[5] = std::abs(header[5]);
    constexpr const char* kNames[] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                      "n_kv_heads", "vocab_size", "seq_len"};
    // So that no product of sizes below overflows.
    constexpr std::int32_t kLargest = 1 << 20;
    for (std::size_t i = 0; i < header.size(); ++i)
      if (header[i] < 1 || header[i] > kLargest)
        fail(std::string(kNames[i]) + ": expected 1 to 2^20, got " + std::to_string(header[i]));
    config_.hidden_size = header[0];
    config_.intermediate_size = header[1];
    config_.layers = header[2];
    config_.heads = header[3];
    config_.kv_heads = header[4];
    config_.vocab_size = header[5];
    config_.max_positions = header[6];
    config_.tied_embeddings = tied;
    config_.rms_norm_eps = 1e-5;
    config_.dtype = "float32";
    config_.bos = 1;
    config_.eos = {2};
    if (config_.hidden_size % (2 * config_.heads) != 0)
      fail("dim: expected a multiple of twice the " + std::to_string(config_.heads) +
           " heads, got " + std::to_string(config_.hidden_size));
    if (config_.heads % config_.kv_heads != 0)
      fail("n_kv_heads: expected a divisor of the " + std::to_string(config_.heads) +
           " heads, got " + std::to_string(config_.kv_heads));
    config_.head_dim = config_.hidden_size / config_.heads;
    // A layer's tensors alone are far longer, so that names are made for layers that there are.
    if (static_cast<std::uint64_t>(config_.layers) > file_.size())
      fail("n_layers: expected fewer in a file of this size, got " +
           std::to_string(config_.layers));
    return tied;
  }

  void add(const std::string& name, const Shape& shape, std::uint64_t& end) {
    std::uint64_t bytes = sizeof(float);
    for (const Index size : shape) bytes *= static_cast<std::uint64_t>(size);
    offsets_[name] = end;
    shapes_[name] = shape;
    end += bytes;
    if (end > file_.size())
      fail("tensor " + lorapro::io::detail::quoted_name(name) + ": expected " +
           std::to_string(bytes) + " bytes, got the end of the file");
  }

  void add_layers(const std::string& name, const Shape& shape, std::uint64_t& end) {
    for (Index layer = 0; layer < config_.layers; ++layer)
      add("model.layers." + std::to_string(layer) + "." + name, shape, end);
  }

  static bool is_permuted(const std::string& name) {
    return name.find("self_attn.q_proj") != std::string::npos ||
           name.find("self_attn.k_proj") != std::string::npos;
  }
  /// Where row j d / 2 + i of a head is in the file: at 2 i + j.
  static Index file_row(Index row, Index dim) {
    const Index within = row % dim, half = dim / 2;
    return row - within + 2 * (within % half) + within / half;
  }

  lorapro::io::FileReader file_;
  LlamaConfig config_;
  std::map<std::string, Shape> shapes_;
  std::map<std::string, std::uint64_t> offsets_;
};

}  // namespace

std::shared_ptr<const ModelTensors> open_llama2c(const std::string& path) {
  return std::make_shared<Llama2cFile>(path);
}

}  // namespace examples::llm
