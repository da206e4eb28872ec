// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <array>

#include "llama_block.hpp"
#include "lm_head.hpp"

namespace examples::llm {

/// Keys and values of the tokens of a text so far, for every layer, so that the next token costs one
/// row. Made by Llama::make_cache.
template <typename Scalar>
class KeyValueCache {
 public:
  KeyValueCache(const LlamaConfig& config, Index length);

  Index length() const { return length_; }
  /// Tokens so far.
  Index used() const { return used_; }
  /// Forgets the tokens from `used` on.
  void truncate(Index used) { used_ = std::min(used, used_); }

 private:
  template <typename>
  friend class Llama;

  Index length_;
  Index used_ = 0;
  std::vector<RowBuffer<Scalar>> keys_, values_;  // of each layer
};

/// A pretrained language model of Llama's kind, frozen, with LoRA adapters on its linear layers.
///
/// \code
/// Llama<float> model(open_model(path), options);
/// for (auto& layer : model.trained()) optimizer.attach(layer.pair->view(), {}, layer.name);
/// const LossSum sum = model.accumulate_gradients(batch);  // for each micro-batch of a step
/// optimizer.step({static_cast<double>(labels), 1});       // labels of all of them
/// \endcode
///
/// Results have the same bits for any number of threads, with activation checkpointing and without
/// it. Nothing is allocated once a batch of the size has passed. Not thread-safe.
///
/// \tparam Scalar  float; double for tests.
template <typename Scalar>
class Llama {
 public:
  struct Named {
    std::string name;  ///< "model.layers.0.self_attn.q_proj", as adapters' files have it
    LoraPair<Scalar>* pair;
  };

  /// \throws lorapro::FormatError (tensors missing, misshapen or left over: check_tensors),
  /// lorapro::ConfigError (options, or a length that the model cannot have).
  Llama(std::shared_ptr<const ModelTensors> tensors, const LlamaOptions& options);
  Llama(Llama&&) noexcept;
  Llama& operator=(Llama&&) noexcept;
  ~Llama();

  const LlamaConfig& config() const { return config_; }
  const LlamaOptions& options() const { return options_; }
  /// From the first layer to the last, in the order of kLinearNames.
  const std::vector<Named>& trained() const { return trained_; }
  /// Memory of the frozen weights, mapped files included.
  std::size_t base_bytes() const;

  /// Adds the gradients of the sum of cross-entropies to those of the pairs.
  /// \throws lorapro::ConfigError for a batch that is none: tokens or labels that the vocabulary
  /// has not, an example that is empty or longer than max_length; nothing is changed then.
  LossSum accumulate_gradients(const TokenBatch& batch);
  /// The same sum, without dropout and gradients.
  LossSum evaluate(const TokenBatch& batch);
  /// (rows of the batch, vocab_size), without dropout.
  lorapro::RowMatrix<Scalar> logits(const TokenBatch& batch);

  void zero_grad();
  void set_threads(int threads);
  void set_checkpointing(bool checkpointing) { options_.checkpointing = checkpointing; }

  /// Calls of accumulate_gradients so far: with the seed, all that dropout depends on.
  std::uint64_t dropout_masks() const { return masks_; }
  void set_dropout_masks(std::uint64_t masks) { masks_ = masks; }

  /// For texts of up to `length` tokens. \throws lorapro::ConfigError as check_length.
  KeyValueCache<Scalar> make_cache(Index length) const;
  /// Appends tokens to the text of a cache. \return the logits of the next one, (vocab_size).
  /// \throws lorapro::ConfigError: none, more than the cache has room for, beyond the vocabulary.
  const Scalar* append(KeyValueCache<Scalar>& cache, const std::vector<TokenId>& ids);

 private:
  void check(const TokenBatch& batch) const;
  void lay_out(const TokenBatch& batch);
  void embed(const std::vector<TokenId>& ids, Rows<Scalar> x) const;
  void set_training(bool training);
  /// The output of the last layer, nothing being kept.
  Rows<Scalar> run(const std::vector<TokenId>& ids, KeyValueCache<Scalar>* cache);
  Rows<Scalar> input(std::size_t layer, Index rows);

  std::shared_ptr<const ModelTensors> tensors_;
  LlamaConfig config_;
  LlamaOptions options_;
  std::unique_ptr<Projection<Scalar>> embedding_, separate_head_;
  std::unique_ptr<LmHead<Scalar>> head_;
  std::vector<LlamaBlock<Scalar>> blocks_;
  std::vector<Named> trained_;
  std::size_t lowest_ = 0;  // the first layer with an adapter
  std::unique_ptr<BlockWorkspace<Scalar>> work_;
  std::vector<BlockActivations<Scalar>> kept_;
  std::vector<RowBuffer<Scalar>> inputs_;  // of the layers from lowest_ on, and the last's output
  std::array<RowBuffer<Scalar>, 2> passing_;  // inputs of layers that nothing is kept of
  RowBuffer<Scalar> grad_;
  RowBuffer<Scalar> next_logits_;
  RowLayout layout_;
  std::uint64_t masks_ = 0;
};

extern template class KeyValueCache<float>;
extern template class KeyValueCache<double>;
extern template class Llama<float>;
extern template class Llama<double>;

}  // namespace examples::llm
