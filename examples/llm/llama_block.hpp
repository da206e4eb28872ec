// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <array>

#include "grouped_attention.hpp"
#include "projection.hpp"
#include "rotary.hpp"

namespace examples::llm {

/// How the rows of a pass belong together: who attends to whom, and where each stands in its text.
struct RowLayout {
  std::vector<AttentionSpan> spans;
  std::vector<Index> positions;
};

/// What backward reads of a layer's forward pass.
template <typename Scalar>
struct BlockActivations {
  explicit BlockActivations(const LlamaConfig& config);

  RowBuffer<Scalar> normed1;         // of the input
  RowBuffer<Scalar> raw_q, raw_k;    // before their norms, where the model has these
  RowBuffer<Scalar> q, k, v;         // turned, q scaled
  RowBuffer<Scalar> mixed, log_sum;  // of attention
  RowBuffer<Scalar> middle;          // input + attention
  RowBuffer<Scalar> normed2;         // of that
  RowBuffer<Scalar> gate, up, gated;
};

/// What the layers of a model share: the table of rotary positions, and memory for gradients.
template <typename Scalar>
struct BlockWorkspace {
  explicit BlockWorkspace(const LlamaConfig& config);

  Rotary<Scalar> rotary;
  GroupedAttention<Scalar> attention;
  std::array<RowBuffer<Scalar>, 3> grad_normed;
  RowBuffer<Scalar> grad_gate, grad_up;
  RowBuffer<Scalar> grad_mixed, grad_q, grad_k, grad_v;
  int threads = 1;
  std::uint64_t dropout_masks = 0;  ///< drawn before this pass
};

/// Keys and values of earlier tokens of a text, of one layer; forward adds those of its rows.
template <typename Scalar>
struct KeyValueRows {
  Rows<Scalar> keys, values;  // (length of the cache, kv_heads head_dim)
  Index used = 0;
};

/// One layer: h = x + attention(norm x), y = h + mlp(norm h).
template <typename Scalar>
class LlamaBlock {
 public:
  /// \param prefix  "model.layers.0."
  /// \param lora    options of the adapter of a linear layer by its name, or nothing.
  template <typename LoraOf>
  LlamaBlock(const ModelTensors& tensors, const std::string& prefix, BaseFormat format,
             const LoraOf& lora)
      : config_(tensors.config()) {
    read_gains(tensors, prefix);
    for (std::size_t i = 0; i < kCount; ++i) {
      const std::string name = prefix + kLinearNames[i];
      linear_[i] = make_projection<Scalar>(tensors, name, format, lora(name));
    }
  }

  /// Calls visit(name, projection) for the seven linear layers; names are those behind the prefix.
  template <typename Visit>
  void for_each_linear(const Visit& visit) const {
    for (std::size_t i = 0; i < kCount; ++i) visit(kLinearNames[i], *linear_[i]);
  }
  bool trained() const;

  /// \param cache   of earlier rows of the text, or null.
  /// \param[out] y  (rows, hidden_size).
  void forward(const ConstRows<Scalar>& x, const RowLayout& layout, BlockActivations<Scalar>& kept,
               BlockWorkspace<Scalar>& work, KeyValueRows<Scalar>* cache, Rows<Scalar> y);
  /// Fills `kept` as forward does, with the same dropout masks, and makes no y.
  void repeat(const ConstRows<Scalar>& x, const RowLayout& layout, BlockActivations<Scalar>& kept,
              BlockWorkspace<Scalar>& work);
  /// Adds to the gradients of the pairs.
  /// \param x             as forward got it.
  /// \param[in,out] grad  dL/dy, then dL/dx; meaningless then if not `passes_on`.
  void backward(const ConstRows<Scalar>& x, const RowLayout& layout, BlockActivations<Scalar>& kept,
                BlockWorkspace<Scalar>& work, Rows<Scalar> grad, bool passes_on);

 private:
  static constexpr std::size_t kCount = std::size(kLinearNames);
  enum Linear { q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj };

  void read_gains(const ModelTensors& tensors, const std::string& prefix);
  /// y of a linear layer, which draws the dropout masks of this pass.
  void apply(Linear linear, const Rows<Scalar>& x, Rows<Scalar> y,
             const BlockWorkspace<Scalar>& work);
  /// All up to what down_proj takes.
  void forward_to_gated(const ConstRows<Scalar>& x, const RowLayout& layout,
                        BlockActivations<Scalar>& kept, BlockWorkspace<Scalar>& work,
                        KeyValueRows<Scalar>* cache);
  /// Norms, turns and scales the heads of queries or keys.
  void place_heads(Rows<Scalar> raw, Rows<Scalar> out, const lorapro::Buffer<Scalar>& gain,
                   Scalar scale, const RowLayout& layout, BlockWorkspace<Scalar>& work) const;
  /// The gradient of place_heads, in place.
  void unplace_heads(const ConstRows<Scalar>& raw, Rows<Scalar> grad,
                     const lorapro::Buffer<Scalar>& gain, Scalar scale, const RowLayout& layout,
                     BlockWorkspace<Scalar>& work) const;
  Scalar query_scale() const;

  LlamaConfig config_;
  lorapro::Buffer<Scalar> gain1_, gain2_, gain_q_, gain_k_;
  std::array<std::unique_ptr<Projection<Scalar>>, kCount> linear_;
};

extern template class LlamaBlock<float>;
extern template class LlamaBlock<double>;

}  // namespace examples::llm
