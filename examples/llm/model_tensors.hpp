// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "llama_config.hpp"

namespace examples::llm {

/// The tensors of a pretrained model, whatever file they are in: under the names of Hugging Face's
/// checkpoints, rows in their order, row-major.
class ModelTensors {
 public:
  using Shape = std::vector<Index>;

  virtual ~ModelTensors() = default;

  virtual const LlamaConfig& config() const = 0;
  /// The file or folder, for messages.
  virtual std::string place() const = 0;
  /// Of every tensor that the file has.
  virtual const std::map<std::string, Shape>& shapes() const = 0;
  /// Copies rows [row, row + rows) of a tensor, a vector being one row.
  virtual void read(const std::string& name, Index row, Index rows, float* out) const = 0;
  /// A tensor whose bfloat16 lie in memory as long as this object lives, in the order of read; null
  /// where they do not, or not at an address at which they can be read.
  virtual const lorapro::bfloat16* mapped(const std::string& name) const {
    (void)name;
    return nullptr;
  }
  /// Lets go of the memory that reading a tensor has taken; it may be read again.
  virtual void forget(const std::string& name) const { (void)name; }
};

/// Names of the seven linear layers of a block, behind "model.layers.N.".
inline constexpr const char* kLinearNames[] = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

/// Every tensor that a model of this configuration has.
std::map<std::string, ModelTensors::Shape> expected_shapes(const LlamaConfig& config);

/// \throws lorapro::FormatError that names the tensor: missing, of another shape, or left over.
/// What can be computed from others may be there besides: rotary frequencies, a tied head.
void check_tensors(const ModelTensors& tensors);

}  // namespace examples::llm
