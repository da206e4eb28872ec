// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::max
#include <cmath>      // std::cos, std::sin, std::sqrt
#include <optional>
#include <string>
#include <vector>

#include "attention.hpp"
#include "embedding.hpp"
#include "feed_forward.hpp"
#include "layer_norm.hpp"
#include "linear.hpp"

namespace examples::nn {

/// The sizes of the Universal Sentence Encoder Lite.
struct SentenceEncoderConfig {
  Index vocabulary = 8002;
  Index max_tokens = 128;  // what a sentence has beyond them is cut off
  Index embedding = 256;   // even
  Index heads = 4;
  Index width = 512;
  Index hidden = 1536;  // of the feed-forward parts
};

/// A pre-norm block, which may widen: h = shortcut(x) + attention(norm1(x)),
/// y = h + feed_forward(norm2(h)). The shortcut is linear where the widths differ, else nothing.
template <typename Scalar>
class WideningBlock {
 public:
  using Matrix = RowMatrix<Scalar>;

  WideningBlock(Index in_features, const SentenceEncoderConfig& config)
      : norm1_(in_features, kEps),
        attention_(in_features, in_features, config.width, config.heads, /*causal=*/false),
        norm2_(config.width, kEps),
        feed_forward_(config.width, config.hidden, config.width, Activation::relu) {
    if (in_features != config.width) shortcut_.emplace(config.width, in_features);
  }

  LayerNorm<Scalar>& norm1() { return norm1_; }
  MultiHeadAttention<Scalar>& attention() { return attention_; }
  std::optional<Linear<Scalar>>& shortcut() { return shortcut_; }
  LayerNorm<Scalar>& norm2() { return norm2_; }
  FeedForward<Scalar>& feed_forward() { return feed_forward_; }

  void forward(const Matrix& x, const Sequences& sequences, Matrix& y) {
    norm1_.forward(x, normalized1_);
    attention_.forward(normalized1_, sequences, middle_);
    if (shortcut_) {
      shortcut_->forward(x, y);
      middle_ += y;
    } else {
      middle_ += x;
    }
    norm2_.forward(middle_, normalized2_);
    feed_forward_.forward(normalized2_, y);
    y += middle_;
  }

  /// Gradients of the last forward, which got the same x. \param[out] grad_x  null where neither
  /// norm1 nor anything below the block is trained, which saves the work.
  void backward(const Matrix& x, const Sequences& sequences, const Matrix& grad_y, Matrix* grad_x) {
    feed_forward_.backward(normalized2_, grad_y, grad_normalized_);
    norm2_.backward(middle_, grad_normalized_, grad_middle_);
    grad_middle_ += grad_y;
    if (grad_x == nullptr) {
      attention_.backward(normalized1_, sequences, grad_middle_);
      if (shortcut_) shortcut_->backward(x, grad_middle_);
      return;
    }
    attention_.backward(normalized1_, sequences, grad_middle_, grad_normalized_);
    norm1_.backward(x, grad_normalized_, *grad_x);
    if (shortcut_) {
      shortcut_->backward(x, grad_middle_, grad_normalized_);
      *grad_x += grad_normalized_;
    } else {
      *grad_x += grad_middle_;
    }
  }

  template <typename Visitor>
  void for_each_layer(const std::string& name, const Visitor& visit) {
    visit(name + ".norm1", norm1_);
    attention_.for_each_layer(name + ".attention", visit);
    if (shortcut_) visit(name + ".shortcut", *shortcut_);
    visit(name + ".norm2", norm2_);
    feed_forward_.for_each_layer(name + ".feed_forward", visit);
  }

 private:
  static constexpr double kEps = 1e-6;

  LayerNorm<Scalar> norm1_;
  MultiHeadAttention<Scalar> attention_;
  std::optional<Linear<Scalar>> shortcut_;
  LayerNorm<Scalar> norm2_;
  FeedForward<Scalar> feed_forward_;
  Matrix normalized1_, middle_, normalized2_, grad_middle_, grad_normalized_;
};

/// The Universal Sentence Encoder Lite: a transformer of two blocks over the tokens of a sentence,
/// the mean over the tokens, a tanh layer, and a result of norm 1. A batch is all tokens of all
/// sentences one after the other, without padding.
template <typename Scalar>
class SentenceEncoder {
 public:
  using Matrix = RowMatrix<Scalar>;

  explicit SentenceEncoder(const SentenceEncoderConfig& config)
      : config_(config),
        tokens_(config.vocabulary, config.embedding),
        frequencies_(1, config.embedding / 2),
        block0_(config.embedding, config),
        block1_(config.width, config),
        projection_(config.width, config.width) {}

  void randomize(RandomEngine& engine) {
    tokens_.table().randomize(0.5, engine);
    // Those of the paper "Attention is all you need": from 1 down to 1e-4.
    const auto last = static_cast<double>(std::max<Index>(frequencies_.cols() - 1, 1));
    for (Index i = 0; i < frequencies_.cols(); ++i) {
      frequencies_(i) = static_cast<Scalar>(std::pow(1e-4, static_cast<double>(i) / last));
    }
    for (auto* block : {&block0_, &block1_}) {
      block->for_each_layer("", [&](const std::string&, auto& layer) {
        if constexpr (std::is_same_v<std::decay_t<decltype(layer)>, Linear<Scalar>>) {
          layer.randomize(engine);
        }
      });
    }
    projection_.randomize(engine);
  }

  const SentenceEncoderConfig& config() const { return config_; }
  Embedding<Scalar>& tokens() { return tokens_; }
  /// (1, embedding / 2), radians per position.
  Matrix& frequencies() { return frequencies_; }
  WideningBlock<Scalar>& block(int number) { return number == 0 ? block0_ : block1_; }
  Linear<Scalar>& projection() { return projection_; }

  /// The embeddings, (sentences, width), rows of norm 1; valid until the next call.
  /// \throws std::invalid_argument for a sentence without tokens.
  const Matrix& forward(const std::vector<std::vector<int>>& sentences) {
    gather(sentences);
    block0_.forward(input_, sequences_, middle_);
    block1_.forward(middle_, sequences_, output_);
    pooled_.resize(sequences_.count, config_.width);
    for (Index i = 0; i < sequences_.count; ++i) {
      pooled_.row(i) = rows(output_, i).colwise().mean();
    }
    projection_.forward(pooled_, squashed_);
    squashed_ = squashed_.array().tanh();
    // The same bound as in the original, where it keeps 0 / 0 away.
    norms_ = squashed_.rowwise().squaredNorm().cwiseMax(Scalar(1e-12)).cwiseSqrt();
    embeddings_ = squashed_.array().colwise() / norms_.array();
    return embeddings_;
  }

  /// Gradients of the last forward.
  void backward(const Matrix& grad_embeddings) {
    const Eigen::Matrix<Scalar, Eigen::Dynamic, 1> along =
        embeddings_.cwiseProduct(grad_embeddings).rowwise().sum();
    grad_squashed_ = grad_embeddings - along.asDiagonal() * embeddings_;
    grad_squashed_.array() *= (1 - squashed_.array().square()).colwise() / norms_.array();
    projection_.backward(pooled_, grad_squashed_, grad_pooled_);
    grad_output_.resize(output_.rows(), output_.cols());
    for (Index i = 0; i < sequences_.count; ++i) {
      auto part = rows(grad_output_, i);
      part.rowwise() = grad_pooled_.row(i) / static_cast<Scalar>(part.rows());
    }
    block1_.backward(middle_, sequences_, grad_output_, &grad_middle_);
    auto& norm1 = block0_.norm1();
    if (tokens_.table().frozen() && norm1.gain().frozen() && norm1.bias().frozen()) {
      block0_.backward(input_, sequences_, grad_middle_, nullptr);
      return;
    }
    block0_.backward(input_, sequences_, grad_middle_, &grad_input_);
    grad_input_ *= 2;
    tokens_.backward(ids_, grad_input_);
  }

  template <typename Visitor>
  void for_each_layer(const std::string& prefix, const Visitor& visit) {
    visit(prefix + "tokens", tokens_);
    block0_.for_each_layer(prefix + "blocks.0", visit);
    block1_.for_each_layer(prefix + "blocks.1", visit);
    visit(prefix + "projection", projection_);
  }

 private:
  /// The input of the first block: each token's embedding twice (the original adds it once more),
  /// and the sines and cosines of its position.
  void gather(const std::vector<std::vector<int>>& sentences) {
    ids_.clear();
    std::vector<Index> lengths;
    for (const auto& sentence : sentences) {
      const Index length = std::min(static_cast<Index>(sentence.size()), config_.max_tokens);
      ids_.insert(ids_.end(), sentence.begin(), sentence.begin() + length);
      lengths.push_back(length);
    }
    sequences_ = Sequences::packed(lengths);
    tokens_.forward(ids_, input_);
    const Index half = frequencies_.cols();
    for (Index i = 0; i < sequences_.count; ++i) {
      auto part = rows(input_, i);
      for (Index position = 0; position < part.rows(); ++position) {
        const auto angles = frequencies_.row(0).array() * static_cast<Scalar>(position);
        auto row = part.row(position);
        row *= 2;
        row.head(half).array() += angles.sin();
        row.tail(half).array() += angles.cos();
      }
    }
  }

  auto rows(Matrix& matrix, Index sentence) const {
    return matrix.middleRows(sequences_.start(sentence), sequences_.length_of(sentence));
  }

  SentenceEncoderConfig config_;
  Embedding<Scalar> tokens_;
  Matrix frequencies_;
  WideningBlock<Scalar> block0_, block1_;
  Linear<Scalar> projection_;
  std::vector<int> ids_;
  Sequences sequences_;
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> norms_;
  Matrix input_, middle_, output_, pooled_, squashed_, embeddings_;
  Matrix grad_squashed_, grad_pooled_, grad_output_, grad_middle_, grad_input_;
};

}  // namespace examples::nn
