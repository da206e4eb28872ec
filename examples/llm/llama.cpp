// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama.hpp"

#include <lorapro/core/random.hpp>

#include "model_vector.hpp"

namespace examples::llm {
namespace {

/// Options of the adapter of a layer, or nothing where it stays frozen.
std::optional<lorapro::LoraConfig> lora_of(const LlamaOptions& options, const std::string& name,
                                           Index layer, Index layers, std::uint64_t number) {
  lorapro::LoraConfig config = options.lora;
  if (!options.pairs.empty()) {
    const auto found = options.pairs.find(name);
    if (found == options.pairs.end()) return std::nullopt;
    config = found->second;
  } else {
    if (options.last_layers > 0 && layer < layers - options.last_layers) return std::nullopt;
    const std::string kind = name.substr(name.rfind('.') + 1);
    const auto& targets = options.targets;
    if (std::find(targets.begin(), targets.end(), kind) == targets.end()) return std::nullopt;
    config.rank = options.rank_of(kind);
  }
  config.seed = lorapro::derive_key(options.lora.seed, number);
  return config;
}

}  // namespace

template <typename Scalar>
KeyValueCache<Scalar>::KeyValueCache(const LlamaConfig& config, Index length) : length_(length) {
  for (Index layer = 0; layer < config.layers; ++layer) {
    keys_.emplace_back(config.key_size());
    values_.emplace_back(config.key_size());
  }
}

template <typename Scalar>
Llama<Scalar>::Llama(std::shared_ptr<const ModelTensors> tensors, const LlamaOptions& options)
    : tensors_(std::move(tensors)),
      config_(tensors_->config()),
      options_(options),
      grad_(config_.hidden_size),
      next_logits_(config_.vocab_size) {
  check_tensors(*tensors_);
  check_options(options_, config_);
  config_.check_length(options_.max_length);
  const BaseFormat table = options_.base == BaseFormat::full ? BaseFormat::full : BaseFormat::bf16;
  embedding_ = make_projection<Scalar>(*tensors_, "model.embed_tokens", table, std::nullopt);
  if (!config_.tied_embeddings)
    separate_head_ = make_projection<Scalar>(*tensors_, "lm_head", table, std::nullopt);
  head_ = std::make_unique<LmHead<Scalar>>(read_vector<Scalar>(*tensors_, "model.norm.weight"),
                                           config_.rms_norm_eps,
                                           config_.tied_embeddings ? *embedding_ : *separate_head_);
  std::uint64_t number = 0;
  lowest_ = static_cast<std::size_t>(config_.layers);
  for (Index layer = 0; layer < config_.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    blocks_.emplace_back(*tensors_, prefix, options_.base, [&](const std::string& name) {
      return lora_of(options_, name, layer, config_.layers, ++number);
    });
    blocks_.back().for_each_linear([&](const char* name, Projection<Scalar>& linear) {
      if (LoraPair<Scalar>* const pair = linear.pair()) trained_.push_back({prefix + name, pair});
    });
    if (blocks_.back().trained()) lowest_ = std::min(lowest_, static_cast<std::size_t>(layer));
  }
  work_ = std::make_unique<BlockWorkspace<Scalar>>(config_);
  for (RowBuffer<Scalar>& buffer : passing_) buffer = RowBuffer<Scalar>(config_.hidden_size);
  for (std::size_t layer = lowest_; layer <= blocks_.size(); ++layer)
    inputs_.emplace_back(config_.hidden_size);
  for (std::size_t layer = lowest_; layer < blocks_.size() || kept_.empty(); ++layer)
    kept_.emplace_back(config_);
  set_threads(options_.threads);
}

template <typename Scalar>
Llama<Scalar>::Llama(Llama&&) noexcept = default;
template <typename Scalar>
Llama<Scalar>& Llama<Scalar>::operator=(Llama&&) noexcept = default;
template <typename Scalar>
Llama<Scalar>::~Llama() = default;

template <typename Scalar>
void Llama<Scalar>::set_threads(int threads) {
  options_.threads = work_->threads = lorapro::thread_count(threads);
  embedding_->set_threads(options_.threads);
  if (separate_head_ != nullptr) separate_head_->set_threads(options_.threads);
  for (LlamaBlock<Scalar>& block : blocks_)
    block.for_each_linear(
        [&](const char*, Projection<Scalar>& linear) { linear.set_threads(options_.threads); });
}

template <typename Scalar>
std::size_t Llama<Scalar>::base_bytes() const {
  std::size_t bytes = embedding_->base_bytes();
  if (separate_head_ != nullptr) bytes += separate_head_->base_bytes();
  for (const LlamaBlock<Scalar>& block : blocks_)
    block.for_each_linear(
        [&](const char*, const Projection<Scalar>& linear) { bytes += linear.base_bytes(); });
  return bytes;
}

template <typename Scalar>
void Llama<Scalar>::zero_grad() {
  for (const Named& layer : trained_) layer.pair->zero_grad();
}

template <typename Scalar>
void Llama<Scalar>::check(const TokenBatch& batch) const {
  const auto fail = [](const std::string& what) { throw lorapro::ConfigError("batch: " + what); };
  const auto count = batch.ids.size();
  if (batch.labels.size() != count)
    fail("expected a label for each of " + std::to_string(count) + " tokens, got " +
         std::to_string(batch.labels.size()));
  for (const auto& [what, list, least] :
       {std::tuple{"token", &batch.ids, TokenId{0}}, std::tuple{"label", &batch.labels, kNoLabel}})
    for (const TokenId id : *list)
      if (id < least || id >= config_.vocab_size)
        fail(std::string(what) + ": expected one below " + std::to_string(config_.vocab_size) +
             ", the size of the vocabulary, got " + std::to_string(id));
  if (batch.starts.empty() || batch.starts.front() != 0 || batch.starts.back() != batch.rows())
    fail("starts: expected 0 first and the number of rows last");
  for (std::size_t i = 1; i < batch.starts.size(); ++i) {
    const Index length = batch.starts[i] - batch.starts[i - 1];
    if (length < 1 || length > options_.max_length)
      fail("starts: expected examples of 1 to " + std::to_string(options_.max_length) +
           " tokens, got one of " + std::to_string(length));
  }
}

template <typename Scalar>
void Llama<Scalar>::lay_out(const TokenBatch& batch) {
  layout_.spans.clear();
  layout_.positions.clear();
  Index longest = 0;
  for (std::size_t i = 1; i < batch.starts.size(); ++i) {
    const Index start = batch.starts[i - 1], length = batch.starts[i] - start;
    layout_.spans.push_back({start, length, start, 0});
    for (Index position = 0; position < length; ++position) layout_.positions.push_back(position);
    longest = std::max(longest, length);
  }
  work_->rotary.reserve(longest);
}

template <typename Scalar>
void Llama<Scalar>::embed(const std::vector<TokenId>& ids, Rows<Scalar> x) const {
  for_rows(options_.threads, x.rows(), [&](Index row) {
    embedding_->read_row(ids[static_cast<std::size_t>(row)], &x(row, 0));
  });
}

template <typename Scalar>
void Llama<Scalar>::set_training(bool training) {
  for (const Named& layer : trained_) layer.pair->set_training(training);
}

template <typename Scalar>
Rows<Scalar> Llama<Scalar>::input(std::size_t layer, Index rows) {
  return layer < lowest_ ? passing_[layer % 2].rows(rows) : inputs_[layer - lowest_].rows(rows);
}

template <typename Scalar>
LossSum Llama<Scalar>::accumulate_gradients(const TokenBatch& batch) {
  check(batch);
  const Index rows = batch.rows();
  lay_out(batch);
  set_training(true);
  work_->dropout_masks = masks_;
  const std::size_t layers = blocks_.size();
  const auto kept = [&](std::size_t layer) -> BlockActivations<Scalar>& {
    return kept_[options_.checkpointing || layer < lowest_ ? 0 : layer - lowest_];
  };
  embed(batch.ids, input(0, rows));
  for (std::size_t layer = 0; layer < layers; ++layer) {
    blocks_[layer].forward(constant(input(layer, rows)), layout_, kept(layer), *work_, nullptr,
                           input(layer + 1, rows));
  }
  Rows<Scalar> grad = grad_.rows(rows);
  const LossSum sum =
      head_->loss_and_gradient(constant(input(layers, rows)), batch.labels, grad, options_.threads);
  for (std::size_t layer = layers; layer-- > lowest_;) {
    const ConstRows<Scalar> x = constant(input(layer, rows));
    if (options_.checkpointing && layer + 1 < layers)
      blocks_[layer].repeat(x, layout_, kept(layer), *work_);
    blocks_[layer].backward(x, layout_, kept(layer), *work_, grad, layer > lowest_);
  }
  ++masks_;
  return sum;
}

template <typename Scalar>
Rows<Scalar> Llama<Scalar>::run(const std::vector<TokenId>& ids, KeyValueCache<Scalar>* cache) {
  const auto rows = static_cast<Index>(ids.size());
  set_training(false);
  embed(ids, passing_[0].rows(rows));
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    std::optional<KeyValueRows<Scalar>> earlier;
    if (cache != nullptr)
      earlier.emplace(KeyValueRows<Scalar>{cache->keys_[layer].rows(cache->length_),
                                           cache->values_[layer].rows(cache->length_),
                                           cache->used_});
    blocks_[layer].forward(constant(passing_[layer % 2].rows(rows)), layout_, kept_[0], *work_,
                           earlier ? &*earlier : nullptr, passing_[(layer + 1) % 2].rows(rows));
  }
  return passing_[blocks_.size() % 2].rows(rows);
}

template <typename Scalar>
LossSum Llama<Scalar>::evaluate(const TokenBatch& batch) {
  check(batch);
  lay_out(batch);
  return head_->loss(constant(run(batch.ids, nullptr)), batch.labels, options_.threads);
}

template <typename Scalar>
lorapro::RowMatrix<Scalar> Llama<Scalar>::logits(const TokenBatch& batch) {
  check(batch);
  lay_out(batch);
  lorapro::RowMatrix<Scalar> out(batch.rows(), config_.vocab_size);
  head_->logits(constant(run(batch.ids, nullptr)), {out.data(), out.rows(), out.cols()},
                options_.threads);
  return out;
}

template <typename Scalar>
KeyValueCache<Scalar> Llama<Scalar>::make_cache(Index length) const {
  config_.check_length(length);
  return KeyValueCache<Scalar>(config_, length);
}

template <typename Scalar>
const Scalar* Llama<Scalar>::append(KeyValueCache<Scalar>& cache, const std::vector<TokenId>& ids) {
  const auto rows = static_cast<Index>(ids.size());
  if (rows < 1 || rows > cache.length_ - cache.used_)
    throw lorapro::ConfigError("ids: expected 1 to " + std::to_string(cache.length_ - cache.used_) +
                               " tokens, the room that is left, got " + std::to_string(rows));
  for (const TokenId id : ids)
    if (id < 0 || id >= config_.vocab_size)
      throw lorapro::ConfigError("ids: expected tokens below " +
                                 std::to_string(config_.vocab_size) + ", got " +
                                 std::to_string(id));
  layout_.spans = {{0, rows, 0, cache.used_}};
  layout_.positions.clear();
  for (Index row = 0; row < rows; ++row) layout_.positions.push_back(cache.used_ + row);
  work_->rotary.reserve(cache.used_ + rows);
  const Rows<Scalar> x = run(ids, &cache);
  cache.used_ += rows;
  Rows<Scalar> out = next_logits_.rows(1);
  head_->logits({&x(rows - 1, 0), 1, x.cols()}, out, options_.threads);
  return out.data();
}

template class KeyValueCache<float>;
template class KeyValueCache<double>;
template class Llama<float>;
template class Llama<double>;

}  // namespace examples::llm
