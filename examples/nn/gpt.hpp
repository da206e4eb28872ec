// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <string>
#include <vector>

#include "embedding.hpp"
#include "layer_norm.hpp"
#include "products.hpp"
#include "softmax_cross_entropy.hpp"
#include "transformer_block.hpp"

namespace examples::nn {

struct GptConfig {
  Index vocabulary = 256;  // bytes
  Index context = 128;     // the longest sequence
  Index width = 128;
  Index layers = 4;
  Index heads = 4;
};

/// A decoder-only transformer: token and position embeddings, causal pre-norm blocks, a last norm,
/// and a head that is the token embedding again.
template <typename Scalar>
class Gpt {
 public:
  using Matrix = RowMatrix<Scalar>;

  explicit Gpt(const GptConfig& config)
      : config_(config),
        tokens_(config.vocabulary, config.width),
        positions_(config.context, config.width),
        norm_(config.width),
        inputs_(static_cast<std::size_t>(config.layers) + 1) {
    for (Index i = 0; i < config.layers; ++i) {
      blocks_.emplace_back(config.width, config.heads, /*causal=*/true);
    }
  }

  void randomize(RandomEngine& engine) {
    tokens_.table().randomize(0.02, engine);
    positions_.table().randomize(0.02, engine);
    for (auto& block : blocks_) block.randomize(engine, config_.layers);
  }

  const GptConfig& config() const { return config_; }
  Embedding<Scalar>& tokens() { return tokens_; }
  std::deque<TransformerBlock<Scalar>>& blocks() { return blocks_; }

  /// Logits (rows, vocabulary) of what follows each token; valid until the next call. Since a token
  /// sees only what is before it, sequences can be filled up with any tokens at their ends.
  /// \param tokens  sequences.rows() of them; at most `context` per sequence.
  const Matrix& forward(const std::vector<int>& tokens, const Sequences& sequences) {
    if (static_cast<Index>(tokens.size()) != sequences.rows() ||
        sequences.length > config_.context) {
      throw std::invalid_argument("tokens: expected sequences no longer than the context");
    }
    tokens_.forward(tokens, inputs_.front());
    positions_.add_to(inputs_.front(), sequences.length);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].forward(inputs_[i], sequences, inputs_[i + 1]);
    }
    norm_.forward(inputs_.back(), normalized_);
    Products<Scalar>::multiply_transposed(normalized_, tokens_.table().value, logits_);
    return logits_;
  }

  /// Gradients of the last forward.
  void backward(const std::vector<int>& tokens, const Sequences& sequences,
                const Matrix& grad_logits) {
    Products<Scalar>::multiply(grad_logits, tokens_.table().value, grad_below_);
    if (!tokens_.table().frozen()) {
      Products<Scalar>::add_weight_gradient(grad_logits, normalized_, tokens_.table().grad);
    }
    norm_.backward(inputs_.back(), grad_below_, grad_);
    for (std::size_t i = blocks_.size(); i-- > 0;) {
      if (i == 0 && tokens_.table().frozen() && positions_.table().frozen()) {
        blocks_[i].backward(inputs_[i], sequences, grad_);
        return;
      }
      blocks_[i].backward(inputs_[i], sequences, grad_, grad_below_);
      grad_.swap(grad_below_);
    }
    positions_.backward(grad_, sequences.length);
    tokens_.backward(tokens, grad_);
  }

  /// Forward and backward; the mean cross-entropy, in nats, over the tokens that have a label.
  double loss_and_gradients(const std::vector<int>& tokens, const Sequences& sequences,
                            const std::vector<int>& labels) {
    const double loss = softmax_cross_entropy(forward(tokens, sequences), labels, grad_logits_);
    backward(tokens, sequences, grad_logits_);
    return loss;
  }

  template <typename Visitor>
  void for_each_layer(const std::string& prefix, const Visitor& visit) {
    visit(prefix + "tokens", tokens_);
    visit(prefix + "positions", positions_);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].for_each_layer(prefix + "blocks." + std::to_string(i), visit);
    }
    visit(prefix + "norm", norm_);
  }

 private:
  GptConfig config_;
  Embedding<Scalar> tokens_;
  PositionEmbedding<Scalar> positions_;
  std::deque<TransformerBlock<Scalar>> blocks_;
  LayerNorm<Scalar> norm_;
  std::vector<Matrix> inputs_;  // of each block, and of the last norm
  Matrix normalized_, logits_, grad_logits_, grad_, grad_below_;
};

}  // namespace examples::nn
