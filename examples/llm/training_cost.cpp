// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "training_cost.hpp"

#include <algorithm>  // std::find
#include <fmt/format.h>

namespace examples::llm {

namespace {

/// "1.53 GB", "55.0 MB"
std::string size_text(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.1f} MB", bytes / 1e6)
                     : fmt::format("{:.2f} GB", bytes / 1e9);
}

double product(const ModelTensors::Shape& shape) {
  double numbers = 1;
  for (const Index size : shape) numbers *= static_cast<double>(size);
  return numbers;
}

/// The layer of "model.layers.N.self_attn.q_proj.weight".
Index layer_of(const std::string& name) {
  return std::stol(name.substr(std::string("model.layers.").size()));
}

/// Of the adapter of a layer; 0 where it gets none.
Index rank_of(const std::string& module, const LlamaOptions& options, Index layers) {
  if (!options.pairs.empty()) {
    const auto found = options.pairs.find(module);
    return found == options.pairs.end() ? 0 : found->second.rank;
  }
  const std::string kind = module.substr(module.rfind('.') + 1);
  const auto& targets = options.targets;
  if (std::find(targets.begin(), targets.end(), kind) == targets.end()) return 0;
  const Index first = options.last_layers == 0 ? 0 : layers - options.last_layers;
  return layer_of(module) < first ? 0 : options.rank_of(kind);
}

/// Bytes of a frozen number, scales included.
double bytes_of(BaseFormat format) {
  switch (format) {
    case BaseFormat::full:
      return 4;
    case BaseFormat::bf16:
      return 2;
    case BaseFormat::int8:
      return 1;
    case BaseFormat::nf4:
      return 0.5 + 1.0 / 64;  // a code of 8 bits scales 64 numbers
  }
  return 4;
}

/// Numbers in the state of the optimizer, as if all matrices were square. \ref docs/choosing.md.
double state_of(Method method, const TrainingSizes& sizes, double rank) {
  switch (method) {
    case Method::lora_sgd:
    case Method::lora_pro_sgd:
    case Method::scaled_gd:
      return 0;
    case Method::lora_pro_full:
      return 2 * sizes.adapted;
    case Method::lora_muon:
    case Method::lora_pro_spectral:
    case Method::joint_lora_muon:
    case Method::imuon:
    case Method::lora_fa:
      return sizes.adapters;
    case Method::altlora_plus:
      return 3 * sizes.adapters;
    case Method::adaprelora:
      return sizes.adapters / rank;
    case Method::loft:
      return sizes.adapters * (rank + 2);
    case Method::lora_pro_factored:
      return sizes.adapters * (1 + 1 / rank);
    default:
      return 2 * sizes.adapters;
  }
}

}  // namespace

TrainingSizes training_sizes(const LlamaConfig& config, const LlamaOptions& options) {
  TrainingSizes sizes;
  const std::string weight = ".weight";
  for (const auto& [name, shape] : expected_shapes(config)) {
    const bool is_linear = name.find("_proj.weight") != std::string::npos;
    if (is_linear) {
      sizes.linear += product(shape);
      const std::string module = name.substr(0, name.size() - weight.size());
      const auto rank = static_cast<double>(rank_of(module, options, config.layers));
      if (rank == 0) continue;
      sizes.adapters += rank * static_cast<double>(shape[0] + shape[1]);
      sizes.adapted += product(shape);
    } else if (shape.size() == 2) {
      sizes.embeddings += product(shape);
    }
  }
  const auto hidden = static_cast<double>(config.hidden_size);
  const auto query = static_cast<double>(config.query_size());
  const auto key = static_cast<double>(config.key_size());
  const auto middle = static_cast<double>(config.intermediate_size);
  const auto heads = static_cast<double>(config.heads);
  const auto layers = static_cast<double>(config.layers);
  sizes.head = hidden * static_cast<double>(config.vocab_size);
  sizes.attention = 2 * query * layers;
  // What a layer keeps for its backward pass, and the gradients on its way.
  const double normed_heads = config.qk_norm ? query + key : 0;
  const double kept = 3 * hidden + 2 * query + 2 * key + normed_heads + 3 * middle + heads;
  const double passing = 4 * hidden + 4 * query + 2 * key + 2 * middle + heads;
  sizes.per_row = layers * hidden + (options.checkpointing ? 1 : layers) * kept + passing;
  return sizes;
}

TrainingMemory training_memory(const LlamaConfig& config, const LlamaOptions& options,
                               Method method, Index rows) {
  const TrainingSizes sizes = training_sizes(config, options);
  const auto rank = static_cast<double>(options.pairs.empty() ? options.lora.rank
                                                              : options.pairs.begin()->second.rank);
  constexpr double kFloat = sizeof(float);
  constexpr double kLogitRows = 64;  // of the head, at a time
  TrainingMemory memory;
  memory.base = sizes.linear * bytes_of(options.base);
  memory.embeddings = sizes.embeddings * (options.base == BaseFormat::full ? kFloat : kFloat / 2);
  memory.adapters = 2 * sizes.adapters * kFloat;
  memory.optimizer = state_of(method, sizes, rank) * kFloat;
  memory.activations = (sizes.per_row * static_cast<double>(rows) +
                        kLogitRows * static_cast<double>(config.vocab_size)) *
                       kFloat;
  return memory;
}

std::string text_of(const TrainingMemory& memory) {
  return fmt::format(
      "{}: frozen layers {}, embeddings and head {}, adapters and their gradients {}, optimizer "
      "{}, activations {}",
      size_text(memory.total()), size_text(memory.base), size_text(memory.embeddings),
      size_text(memory.adapters), size_text(memory.optimizer), size_text(memory.activations));
}

double flops_per_token(const LlamaConfig& config, const LlamaOptions& options, double seen,
                       double labels) {
  const TrainingSizes sizes = training_sizes(config, options);
  const double passes = options.checkpointing ? 3 : 2;  // forward, its repetition, backward
  // Backward costs attention twice its forward pass, and P once more.
  return 2 * passes * sizes.linear + 6 * sizes.adapters + 4 * sizes.head * labels +
         2 * (passes + 1.5) * sizes.attention * seen;
}

void check_memory(const TrainingMemory& memory, std::uint64_t available) {
  if (available == 0 || memory.total() <= static_cast<double>(available)) return;
  throw lorapro::ConfigError(fmt::format(
      "memory: expected a training that fits in the {} of this machine, got one of {}. "
      "--base nf4, fewer --micro-tokens, a smaller --rank, another --method than lora_pro_full "
      "and fewer --targets or --last-layers take less",
      size_text(static_cast<double>(available)), text_of(memory)));
}

}  // namespace examples::llm
