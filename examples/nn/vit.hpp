// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include "embedding.hpp"
#include "layer_norm.hpp"
#include "linear.hpp"
#include "transformer_block.hpp"

namespace examples::nn {

struct VitConfig {
  Index image_size = 28;  // images are square
  Index patch_size = 7;
  Index width = 64;
  Index layers = 4;
  Index heads = 4;
  Index classes = 10;
};

/// A vision transformer: linear embedding of the patches and of their positions, pre-norm blocks, a
/// last norm, the mean over the patches, and a linear head.
template <typename Scalar>
class Vit {
 public:
  using Matrix = RowMatrix<Scalar>;

  explicit Vit(const VitConfig& config)
      : config_(config),
        patches_(config.width, config.patch_size * config.patch_size),
        positions_(patch_count(), config.width),
        norm_(config.width),
        head_(config.classes, config.width),
        inputs_(static_cast<std::size_t>(config.layers) + 1) {
    if (config.patch_size < 1 || config.image_size % config.patch_size != 0) {
      throw std::invalid_argument("patch_size: expected a divisor of the image size");
    }
    for (Index i = 0; i < config.layers; ++i) {
      blocks_.emplace_back(config.width, config.heads, /*causal=*/false);
    }
  }

  void randomize(RandomEngine& engine) {
    patches_.randomize(engine);
    positions_.table().randomize(0.02, engine);
    for (auto& block : blocks_) block.randomize(engine, config_.layers);
    head_.randomize(engine);
  }

  /// A new random head for other classes.
  void replace_head(Index classes, RandomEngine& engine) {
    config_.classes = classes;
    head_ = Linear<Scalar>(classes, config_.width);
    head_.randomize(engine);
  }

  const VitConfig& config() const { return config_; }
  PositionEmbedding<Scalar>& positions() { return positions_; }
  Linear<Scalar>& head() { return head_; }

  /// Logits (images, classes); valid until the next call.
  /// \param images  (images, image_size^2), row by row.
  const Matrix& forward(const Matrix& images) {
    lorapro::checks::shape("images", images.rows(), images.cols(), images.rows(),
                           config_.image_size * config_.image_size);
    const Sequences sequences{images.rows(), patch_count(), {}};
    cut(images);
    patches_.forward(pixels_, inputs_.front());
    positions_.add_to(inputs_.front(), sequences.length);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].forward(inputs_[i], sequences, inputs_[i + 1]);
    }
    norm_.forward(inputs_.back(), normalized_);
    pooled_.resize(images.rows(), config_.width);
    for (Index i = 0; i < images.rows(); ++i) {
      pooled_.row(i) =
          normalized_.middleRows(i * sequences.length, sequences.length).colwise().mean();
    }
    head_.forward(pooled_, logits_);
    return logits_;
  }

  /// Gradients of the last forward.
  void backward(const Matrix& grad_logits) {
    backward(grad_logits, [](Index) {});
  }

  /// The same; calls after_block(i) as soon as the gradients of block i are complete, from the last
  /// block to the first, and after_block(number of blocks) when those of the head are.
  template <typename AfterBlock>
  void backward(const Matrix& grad_logits, const AfterBlock& after_block) {
    const Sequences sequences{grad_logits.rows(), patch_count(), {}};
    head_.backward(pooled_, grad_logits, grad_pooled_);
    after_block(static_cast<Index>(blocks_.size()));
    grad_below_.resize(sequences.rows(), config_.width);
    for (Index i = 0; i < sequences.count; ++i) {
      grad_below_.middleRows(i * sequences.length, sequences.length).rowwise() =
          grad_pooled_.row(i) / static_cast<Scalar>(sequences.length);
    }
    norm_.backward(inputs_.back(), grad_below_, grad_);
    for (std::size_t i = blocks_.size(); i-- > 0;) {
      blocks_[i].backward(inputs_[i], sequences, grad_, grad_below_);
      after_block(static_cast<Index>(i));
      grad_.swap(grad_below_);
    }
    positions_.backward(grad_, sequences.length);
    patches_.backward(pixels_, grad_);
  }

  template <typename Visitor>
  void for_each_layer(const std::string& prefix, const Visitor& visit) {
    visit(prefix + "patches", patches_);
    visit(prefix + "positions", positions_);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].for_each_layer(prefix + "blocks." + std::to_string(i), visit);
    }
    visit(prefix + "norm", norm_);
    visit(prefix + "head", head_);
  }

 private:
  Index patch_count() const {
    const Index side = config_.image_size / config_.patch_size;
    return side * side;
  }

  /// pixels_: one patch per row.
  void cut(const Matrix& images) {
    const Index size = config_.patch_size, side = config_.image_size / size;
    pixels_.resize(images.rows() * side * side, size * size);
    Index row = 0;
    for (Index image = 0; image < images.rows(); ++image) {
      const Eigen::Map<const Matrix> picture(images.row(image).data(), config_.image_size,
                                             config_.image_size);
      for (Index y = 0; y < side; ++y) {
        for (Index x = 0; x < side; ++x) {
          Eigen::Map<Matrix>(pixels_.row(row++).data(), size, size) =
              picture.block(y * size, x * size, size, size);
        }
      }
    }
  }

  VitConfig config_;
  Linear<Scalar> patches_;
  PositionEmbedding<Scalar> positions_;
  std::deque<TransformerBlock<Scalar>> blocks_;
  LayerNorm<Scalar> norm_;
  Linear<Scalar> head_;
  std::vector<Matrix> inputs_;  // of each block, and of the last norm
  Matrix pixels_, normalized_, pooled_, logits_;
  Matrix grad_pooled_, grad_, grad_below_;
};

}  // namespace examples::nn
