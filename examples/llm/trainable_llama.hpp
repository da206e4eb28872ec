// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <string>

#include "../nn/embedding.hpp"
#include "../nn/linear.hpp"
#include "../nn/softmax_cross_entropy.hpp"
#include "grouped_attention.hpp"
#include "llama_config.hpp"
#include "rms_norm.hpp"
#include "rotary.hpp"
#include "swiglu.hpp"

namespace examples::llm {

/// y = gain x r, r = (mean x^2 + eps)^(-1/2) of each row, with a gain that is trained.
template <typename Scalar>
class TrainableNorm {
 public:
  using Matrix = nn::RowMatrix<Scalar>;

  TrainableNorm(Index width, double eps) : gain_(1, width), eps_(eps) { gain_.value.setOnes(); }

  nn::Parameter<Scalar>& gain() { return gain_; }

  void forward(const Matrix& x, Matrix& y) const {
    y.resize(x.rows(), x.cols());
    nn::for_blocks(x.rows(), nn::kRowBlock, [&](Index first, Index count) {
      for (Index row = first; row < first + count; ++row)
        rms_norm(&x(row, 0), gain_.value.data(), x.cols(), eps_, &y(row, 0));
    });
  }

  /// Gradients of the last forward, which got the same x; grad_x is overwritten.
  void backward(const Matrix& x, const Matrix& grad_y, Matrix& grad_x) {
    const Index blocks = (x.rows() + nn::kRowBlock - 1) / nn::kRowBlock;
    grad_x.resize(x.rows(), x.cols());
    gain_sums_.setZero(blocks, x.cols());
    nn::for_blocks(x.rows(), nn::kRowBlock, [&](Index first, Index count) {
      auto sum = gain_sums_.row(first / nn::kRowBlock);
      for (Index row = first; row < first + count; ++row) {
        sum += inverse_rms(&x(row, 0), x.cols(), eps_) * grad_y.row(row).cwiseProduct(x.row(row));
        rms_norm_gradient(&x(row, 0), gain_.value.data(), &grad_y(row, 0), x.cols(), eps_,
                          [&](Index k, const auto& lanes, const auto& values) {
                            lanes.store(&grad_x(row, k), values);
                          });
      }
    });
    gain_.grad += gain_sums_.colwise().sum();
  }

  template <typename Visitor>
  void for_each_parameter(const std::string& name, const Visitor& visit) {
    visit(name + ".weight", gain_);
  }

 private:
  nn::Parameter<Scalar> gain_;  // (1, width)
  double eps_;
  Matrix gain_sums_;  // of each block of rows
};

/// What the layers of a model share for a batch.
template <typename Scalar>
struct TrainableContext {
  explicit TrainableContext(const LlamaConfig& config)
      : rotary(config.rope.frequencies(config.head_dim)),
        attention(config.heads, config.kv_heads, config.head_dim) {}

  /// The examples of the batch, each of which attends to itself alone.
  void lay_out(const TokenBatch& batch) {
    spans.clear();
    positions.clear();
    Index longest = 0;
    for (std::size_t i = 1; i < batch.starts.size(); ++i) {
      const Index start = batch.starts[i - 1], length = batch.starts[i] - start;
      spans.push_back({start, length, start, 0});
      for (Index position = 0; position < length; ++position) positions.push_back(position);
      longest = std::max(longest, length);
    }
    rotary.reserve(longest);
  }

  /// Calls turn(head, position) for each head of each row.
  template <typename Turn>
  void for_heads(nn::RowMatrix<Scalar>& rows, Index head_dim, const Turn& turn) const {
    nn::for_blocks(rows.rows(), nn::kRowBlock, [&](Index first, Index count) {
      for (Index row = first; row < first + count; ++row)
        for (Index column = 0; column < rows.cols(); column += head_dim)
          turn(&rows(row, column), positions[static_cast<std::size_t>(row)]);
    });
  }

  Rotary<Scalar> rotary;
  GroupedAttention<Scalar> attention;
  std::vector<AttentionSpan> spans;
  std::vector<Index> positions;
};

/// One layer: h = x + attention(norm x), y = h + mlp(norm h).
template <typename Scalar>
class TrainableBlock {
 public:
  using Matrix = nn::RowMatrix<Scalar>;
  using Context = TrainableContext<Scalar>;

  explicit TrainableBlock(const LlamaConfig& config)
      : head_dim_(config.head_dim),
        norm1_(config.hidden_size, config.rms_norm_eps),
        norm2_(config.hidden_size, config.rms_norm_eps),
        q_proj_(config.query_size(), config.hidden_size, false),
        k_proj_(config.key_size(), config.hidden_size, false),
        v_proj_(config.key_size(), config.hidden_size, false),
        o_proj_(config.hidden_size, config.query_size(), false),
        gate_proj_(config.intermediate_size, config.hidden_size, false),
        up_proj_(config.intermediate_size, config.hidden_size, false),
        down_proj_(config.hidden_size, config.intermediate_size, false) {}

  /// \param blocks  how many of them the model has: the more, the less each adds at first.
  void randomize(RandomEngine& engine, Index blocks) {
    const double gain = 1 / std::sqrt(2 * static_cast<double>(blocks));
    for (auto* linear : {&q_proj_, &k_proj_, &v_proj_, &gate_proj_, &up_proj_})
      linear->randomize(engine);
    for (auto* linear : {&o_proj_, &down_proj_}) linear->randomize(engine, gain);
  }

  void forward(const Matrix& x, Context& context, Matrix& y) {
    norm1_.forward(x, normed1_);
    q_proj_.forward(normed1_, q_);
    k_proj_.forward(normed1_, k_);
    v_proj_.forward(normed1_, v_);
    context.for_heads(q_, head_dim_, [&](Scalar* head, Index position) {
      context.rotary.turn(head, position, query_scale());
    });
    context.for_heads(k_, head_dim_, [&](Scalar* head, Index position) {
      context.rotary.turn(head, position, Scalar(1));
    });
    mixed_.resize(q_.rows(), q_.cols());
    log_sum_.resize(q_.rows(), q_.cols() / head_dim_);
    context.attention.forward(view(q_), view(k_), view(v_), context.spans,
                              lorapro::make_view(mixed_), lorapro::make_view(log_sum_),
                              nn::thread_setting());
    o_proj_.forward(mixed_, middle_);
    middle_ += x;
    norm2_.forward(middle_, normed2_);
    gate_proj_.forward(normed2_, gate_);
    up_proj_.forward(normed2_, up_);
    gated_.resize(gate_.rows(), gate_.cols());
    nn::for_blocks(x.rows(), nn::kRowBlock, [&](Index row, Index rows) {
      swiglu(&gate_(row, 0), &up_(row, 0), rows * gate_.cols(), &gated_(row, 0));
    });
    down_proj_.forward(gated_, y);
    y += middle_;
  }

  /// Gradients of the last forward, which got the same x and context; grad_x is overwritten.
  void backward(const Matrix& x, Context& context, const Matrix& grad_y, Matrix& grad_x) {
    down_proj_.backward(gated_, grad_y, grad_up_);
    grad_gate_.resize(gate_.rows(), gate_.cols());
    nn::for_blocks(x.rows(), nn::kRowBlock, [&](Index row, Index rows) {
      swiglu_backward(&gate_(row, 0), &up_(row, 0), rows * gate_.cols(), &grad_up_(row, 0),
                      &grad_gate_(row, 0));
    });
    gate_proj_.backward(normed2_, grad_gate_, grad_normed_);
    up_proj_.backward(normed2_, grad_up_, grad_part_);
    grad_normed_ += grad_part_;
    norm2_.backward(middle_, grad_normed_, grad_middle_);
    grad_middle_ += grad_y;

    o_proj_.backward(mixed_, grad_middle_, grad_mixed_);
    grad_q_.resize(q_.rows(), q_.cols());
    grad_k_.resize(k_.rows(), k_.cols());
    grad_v_.resize(v_.rows(), v_.cols());
    context.attention.backward(view(q_), view(k_), view(v_), view(mixed_), view(log_sum_),
                               view(grad_mixed_), context.spans, lorapro::make_view(grad_q_),
                               lorapro::make_view(grad_k_), lorapro::make_view(grad_v_),
                               nn::thread_setting());
    context.for_heads(grad_q_, head_dim_, [&](Scalar* head, Index position) {
      context.rotary.turn_back(head, position, query_scale());
    });
    context.for_heads(grad_k_, head_dim_, [&](Scalar* head, Index position) {
      context.rotary.turn_back(head, position, Scalar(1));
    });
    q_proj_.backward(normed1_, grad_q_, grad_normed_);
    k_proj_.backward(normed1_, grad_k_, grad_part_);
    grad_normed_ += grad_part_;
    v_proj_.backward(normed1_, grad_v_, grad_part_);
    grad_normed_ += grad_part_;
    norm1_.backward(x, grad_normed_, grad_x);
    grad_x += grad_middle_;
  }

  template <typename Visitor>
  void for_each_layer(const std::string& name, const Visitor& visit) {
    visit(name + ".input_layernorm", norm1_);
    visit(name + ".self_attn.q_proj", q_proj_);
    visit(name + ".self_attn.k_proj", k_proj_);
    visit(name + ".self_attn.v_proj", v_proj_);
    visit(name + ".self_attn.o_proj", o_proj_);
    visit(name + ".post_attention_layernorm", norm2_);
    visit(name + ".mlp.gate_proj", gate_proj_);
    visit(name + ".mlp.up_proj", up_proj_);
    visit(name + ".mlp.down_proj", down_proj_);
  }

 private:
  using Linear = nn::Linear<Scalar>;

  static lorapro::MatrixView<const Scalar> view(const Matrix& matrix) {
    return lorapro::make_view(matrix);
  }
  Scalar query_scale() const {
    return static_cast<Scalar>(1 / std::sqrt(static_cast<double>(head_dim_)));
  }

  Index head_dim_;
  TrainableNorm<Scalar> norm1_, norm2_;
  Linear q_proj_, k_proj_, v_proj_, o_proj_, gate_proj_, up_proj_, down_proj_;
  Matrix normed1_, q_, k_, v_, mixed_, log_sum_;  // q and k are turned, q is scaled
  Matrix middle_, normed2_, gate_, up_, gated_;
  Matrix grad_up_, grad_gate_, grad_normed_, grad_part_, grad_middle_;
  Matrix grad_mixed_, grad_q_, grad_k_, grad_v_;
};

/// A small model of Llama's kind all of whose weights are trained, as Llama computes it: tied
/// embeddings, no biases. Its parameters have the names of Hugging Face's checkpoints.
///
/// \tparam Scalar  float; double for tests.
template <typename Scalar>
class TrainableLlama {
 public:
  using Matrix = nn::RowMatrix<Scalar>;

  /// \throws lorapro::ConfigError for a configuration with what this class does not have.
  explicit TrainableLlama(const LlamaConfig& config)
      : config_(config),
        context_(config),
        tokens_(config.vocab_size, config.hidden_size),
        norm_(config.hidden_size, config.rms_norm_eps),
        inputs_(static_cast<std::size_t>(config.layers) + 1) {
    if (!config.tied_embeddings || config.qkv_bias || config.output_bias || config.mlp_bias ||
        config.qk_norm)
      throw lorapro::ConfigError(
          "config: expected tied embeddings, no biases and no norms of heads, got another");
    for (Index i = 0; i < config.layers; ++i) blocks_.emplace_back(config);
  }

  void randomize(RandomEngine& engine) {
    tokens_.table().randomize(0.02, engine);
    for (auto& block : blocks_) block.randomize(engine, config_.layers);
  }

  const LlamaConfig& config() const { return config_; }

  /// Logits (rows, vocab_size) of what follows each token; valid until the next call.
  /// \throws std::out_of_range for a token that the vocabulary has not.
  const Matrix& forward(const TokenBatch& batch) {
    context_.lay_out(batch);
    tokens_.forward(batch.ids, inputs_.front());
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      blocks_[i].forward(inputs_[i], context_, inputs_[i + 1]);
    norm_.forward(inputs_.back(), normed_);
    nn::Products<Scalar>::multiply_transposed(normed_, tokens_.table().value, logits_);
    return logits_;
  }

  /// Forward and backward; the mean cross-entropy, in nats, over the rows that have a label.
  double loss_and_gradients(const TokenBatch& batch) {
    const double loss = nn::softmax_cross_entropy(forward(batch), batch.labels, grad_logits_);
    nn::Products<Scalar>::multiply(grad_logits_, tokens_.table().value, grad_below_);
    nn::Products<Scalar>::add_weight_gradient(grad_logits_, normed_, tokens_.table().grad);
    norm_.backward(inputs_.back(), grad_below_, grad_);
    for (std::size_t i = blocks_.size(); i-- > 0;) {
      blocks_[i].backward(inputs_[i], context_, grad_, grad_below_);
      grad_.swap(grad_below_);
    }
    tokens_.backward(batch.ids, grad_);
    return loss;
  }

  template <typename Visitor>
  void for_each_layer(const std::string& prefix, const Visitor& visit) {
    visit(prefix + "model.embed_tokens", tokens_);
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      blocks_[i].for_each_layer(prefix + "model.layers." + std::to_string(i), visit);
    visit(prefix + "model.norm", norm_);
  }

 private:
  LlamaConfig config_;
  TrainableContext<Scalar> context_;
  nn::Embedding<Scalar> tokens_;
  std::deque<TrainableBlock<Scalar>> blocks_;
  TrainableNorm<Scalar> norm_;
  std::vector<Matrix> inputs_;  // of each block, and of the last norm
  Matrix normed_, logits_, grad_logits_, grad_, grad_below_;
};

}  // namespace examples::llm
