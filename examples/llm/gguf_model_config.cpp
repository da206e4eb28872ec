// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "gguf_model_config.hpp"

#include <cmath>  // std::isfinite

namespace examples::llm {
namespace {

using lorapro::io::GgufReader;
using lorapro::io::GgufTensor;
using lorapro::io::GgufValue;
using lorapro::io::detail::quoted_name;

/// Values of keys, the model's own behind "<architecture>.".
class Keys {
 public:
  explicit Keys(const GgufReader& file)
      : file_(file), prefix_(file.get<std::string>("general.architecture") + ".") {}

  /// A number of any integer type.
  std::optional<std::int64_t> integer(const std::string& key, std::int64_t least) const {
    const GgufValue* const value = file_.find(key);
    if (value == nullptr) return std::nullopt;
    const auto number = std::visit(
        [&](const auto& held) -> std::int64_t {
          using T = std::decay_t<decltype(held)>;
          if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
            if (held <= static_cast<T>(0x7fffffff)) return static_cast<std::int64_t>(held);
          }
          return -1;
        },
        *value);
    if (number < least)
      file_.fail("key " + key + ": expected a whole number from " + std::to_string(least) +
                 " to 2^31 - 1, got something else");
    return number;
  }
  std::optional<std::int64_t> own_integer(const std::string& key, std::int64_t least = 1) const {
    return integer(prefix_ + key, least);
  }
  Index size(const std::string& key) const {
    const auto value = own_integer(key);
    if (!value) file_.fail("expected the key " + prefix_ + key + ", got none");
    return static_cast<Index>(*value);
  }
  std::optional<double> own_positive(const std::string& key) const {
    if (file_.find(prefix_ + key) == nullptr) return std::nullopt;
    const auto value = static_cast<double>(file_.get<float>(prefix_ + key));
    if (!std::isfinite(value) || value <= 0)
      file_.fail("key " + prefix_ + key + ": expected a number above 0, got " +
                 std::to_string(value));
    return value;
  }
  std::string own_text(const std::string& key) const {
    return file_.find(prefix_ + key) == nullptr ? "" : file_.get<std::string>(prefix_ + key);
  }
  [[noreturn]] void fail(const std::string& key, const std::string& problem) const {
    file_.fail("key " + prefix_ + key + ": " + problem);
  }

 private:
  const GgufReader& file_;
  std::string prefix_;
};

const GgufTensor* find_tensor(const GgufReader& file, const std::string& name) {
  for (const GgufTensor& tensor : file.tensors())
    if (tensor.name == name) return &tensor;
  return nullptr;
}

/// Factors of frequencies, where the file has llama3's rope in that form.
std::vector<double> rope_divisors(const GgufReader& file, Index head_dim) {
  const GgufTensor* const tensor = find_tensor(file, "rope_freqs.weight");
  if (tensor == nullptr) return {};
  const std::string where = "tensor rope_freqs.weight: ";
  if (tensor->ne.size() != 1 || tensor->ne[0] != static_cast<std::uint64_t>(head_dim / 2))
    file.fail(where + "expected " + std::to_string(head_dim / 2) + " numbers, half of a head");
  std::vector<double> out(static_cast<std::size_t>(head_dim / 2));
  lorapro::io::read_gguf(*tensor, 0, out.size(), out.data());
  for (const double divisor : out)
    if (!std::isfinite(divisor) || divisor <= 0)
      file.fail(where + "expected numbers above 0, got " + std::to_string(divisor));
  return out;
}

RopeConfig rope_of(const GgufReader& file, const Keys& keys, Index head_dim) {
  RopeConfig rope;
  rope.theta = keys.own_positive("rope.freq_base").value_or(rope.theta);
  if (keys.own_integer("rope.dimension_count").value_or(head_dim) != head_dim)
    keys.fail("rope.dimension_count",
              "expected " + std::to_string(head_dim) + ", all of a head, got something else");
  const std::string kind = keys.own_text("rope.scaling.type");
  // Older files have the factor alone.
  const auto factor = keys.own_positive("rope.scaling.factor");
  const auto older = keys.own_positive("rope.scale_linear");
  if (kind == "linear" || (kind.empty() && older)) {
    rope.kind = RopeConfig::Kind::linear;
    rope.factor = factor ? *factor : older.value_or(1);
  } else if (!kind.empty() && kind != "none") {
    keys.fail("rope.scaling.type", "expected none or linear, got " + quoted_name(kind));
  }
  rope.divisors = rope_divisors(file, head_dim);
  return rope;
}

}  // namespace

LlamaConfig llama_config_of_gguf(const GgufReader& file) {
  LlamaConfig config;
  config.architecture = file.get<std::string>("general.architecture");
  if (config.architecture != "llama" && config.architecture != "qwen2" &&
      config.architecture != "qwen3")
    file.fail("general.architecture: expected llama, qwen2 or qwen3, got " +
              quoted_name(config.architecture));
  const Keys keys(file);
  if (keys.own_integer("expert_count", 0).value_or(0) > 0)
    keys.fail("expert_count", "expected none, as experts are not supported");
  config.hidden_size = keys.size("embedding_length");
  config.intermediate_size = keys.size("feed_forward_length");
  config.layers = keys.size("block_count");
  config.heads = keys.size("attention.head_count");
  config.kv_heads = keys.own_integer("attention.head_count_kv").value_or(config.heads);
  if (config.kv_heads > config.heads || config.heads % config.kv_heads != 0)
    keys.fail("attention.head_count_kv", "expected a divisor of the " +
                                             std::to_string(config.heads) + " heads, got " +
                                             std::to_string(config.kv_heads));
  const auto key_length = keys.own_integer("attention.key_length");
  if (!key_length && config.hidden_size % config.heads != 0)
    keys.fail("attention.key_length", "expected one, as the heads do not divide the width");
  config.head_dim = key_length.value_or(config.hidden_size / config.heads);
  if (config.head_dim % 2 != 0)
    keys.fail("attention.key_length",
              "expected an even number, got " + std::to_string(config.head_dim));
  if (keys.own_integer("attention.value_length").value_or(config.head_dim) != config.head_dim)
    keys.fail("attention.value_length", "expected that of keys, got another");
  config.max_positions = keys.own_integer("context_length").value_or(0);
  config.sliding_window = keys.own_integer("attention.sliding_window", 0).value_or(0);
  const auto eps = keys.own_positive("attention.layer_norm_rms_epsilon");
  if (!eps) keys.fail("attention.layer_norm_rms_epsilon", "expected a number, got none");
  config.rms_norm_eps = *eps;
  config.rope = rope_of(file, keys, config.head_dim);
  const GgufTensor* const embedding = find_tensor(file, "token_embd.weight");
  if (embedding == nullptr || embedding->ne.size() != 2)
    file.fail("tensor token_embd.weight: expected a matrix, got none");
  config.vocab_size = static_cast<Index>(embedding->ne[1]);
  config.tied_embeddings = find_tensor(file, "output.weight") == nullptr;
  config.qk_norm = config.architecture == "qwen3";
  // There is no key for biases: what is there is used.
  config.qkv_bias = config.architecture == "qwen2" || find_tensor(file, "blk.0.attn_q.bias");
  config.output_bias = find_tensor(file, "blk.0.attn_output.bias") != nullptr;
  config.mlp_bias = find_tensor(file, "blk.0.ffn_gate.bias") != nullptr;
  if (const auto bos = keys.integer("tokenizer.ggml.bos_token_id", 0))
    config.bos = static_cast<TokenId>(*bos);
  for (const char* const key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                "tokenizer.ggml.eom_token_id"})
    if (const auto eos = keys.integer(key, 0); eos && !config.ends_text(static_cast<TokenId>(*eos)))
      config.eos.push_back(static_cast<TokenId>(*eos));
  return config;
}

}  // namespace examples::llm
