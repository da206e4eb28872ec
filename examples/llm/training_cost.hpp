// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>

#include "../support/method.hpp"
#include "llama_options.hpp"
#include "model_tensors.hpp"

namespace examples::llm {

/// Numbers in a model's parts that decide what a training costs.
struct TrainingSizes {
  double linear = 0;      ///< frozen weights of the layers
  double embeddings = 0;  ///< and of the head, once where they are the same
  double head = 0;        ///< that every label goes through
  double adapters = 0;    ///< A and B
  double adapted = 0;     ///< frozen weights that have an adapter
  double per_row = 0;     ///< activations of one token
  double attention = 0;   ///< products per token, for each token that it sees
};

TrainingSizes training_sizes(const LlamaConfig& config, const LlamaOptions& options);

/// Bytes that a training takes at its peak.
struct TrainingMemory {
  double base = 0;         ///< frozen weights
  double embeddings = 0;   ///< and the head
  double adapters = 0;     ///< A, B and their gradients
  double optimizer = 0;    ///< its state
  double activations = 0;  ///< of the largest batch, gradients of activations and logits included
  double total() const { return base + embeddings + adapters + optimizer + activations; }
};

/// \param rows  of the largest batch.
TrainingMemory training_memory(const LlamaConfig& config, const LlamaOptions& options,
                               Method method, Index rows);

/// "352.1 MB: frozen layers 55.0 MB, ...", in decimal units.
std::string text_of(const TrainingMemory& memory);

/// Floating-point operations per token.
/// \param seen     tokens that a token sees, on average.
/// \param labels   the part of the tokens that have a label.
double flops_per_token(const LlamaConfig& config, const LlamaOptions& options, double seen,
                       double labels);

/// \param available  as machine_memory.
/// \throws lorapro::ConfigError that says what takes how much, if it is more than `available`.
void check_memory(const TrainingMemory& memory, std::uint64_t available);

}  // namespace examples::llm
