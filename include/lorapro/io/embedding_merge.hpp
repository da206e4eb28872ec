// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/embedding_names.hpp>
#include <lorapro/io/model_config.hpp>
#include <lorapro/io/model_files.hpp>
#include <lorapro/io/peft_adapter.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// What an adapter does to the tensors of a model, by their names there.
struct TensorChanges {
  std::map<std::string, const AdapterModule*> pairs;   ///< += s B A, after what is whole
  std::map<std::string, const ReplacedTensor*> whole;  ///< =
  /// A tensor that the files have not, and the one of theirs that it starts from.
  std::string added, added_from;
  std::vector<std::string> notes;  ///< what whoever merges should know
};

/// Whether two tensors have the same shape and numbers, whatever their types; of types that cannot
/// be converted, the same bytes.
inline bool same_tensors(const SafetensorsReader& file_a, const TensorInfo& a,
                         const SafetensorsReader& file_b, const TensorInfo& b) {
  if (a.shape != b.shape) return false;
  const auto same = [](std::uint64_t size, auto zero, const auto& read_a, const auto& read_b) {
    constexpr std::uint64_t kBlock = std::uint64_t{1} << 17;
    std::vector<decltype(zero)> block_a, block_b;
    for (std::uint64_t at = 0; at < size; at += kBlock) {
      const auto count = static_cast<std::size_t>((std::min)(kBlock, size - at));
      block_a.resize(count);
      block_b.resize(count);
      read_a(at, count, block_a.data());
      read_b(at, count, block_b.data());
      if (block_a != block_b) return false;
    }
    return true;
  };
  if (storage_type_of(a.dtype) && storage_type_of(b.dtype))
    return same(
        a.count(), double{},
        [&](std::uint64_t at, std::size_t n, double* out) { file_a.read(a, at, n, out); },
        [&](std::uint64_t at, std::size_t n, double* out) { file_b.read(b, at, n, out); });
  return a.dtype == b.dtype &&
         same(
             a.bytes(), std::uint8_t{},
             [&](std::uint64_t at, std::size_t n, void* out) { file_a.read_bytes(a, at, n, out); },
             [&](std::uint64_t at, std::size_t n, void* out) { file_b.read_bytes(b, at, n, out); });
}

/// Works out what becomes of a model's embedding and head where an adapter changes either, so that
/// the merged model computes what the base does with the adapter beside it.
///
/// A tied model has one table for both. PEFT trains them apart: a module of modules_to_save is a
/// copy, and a pair is added behind one of the two. The merged model is therefore untied where they
/// come out different: its files get a head of their own, and its config.json says so. Embeddings
/// of another number of rows are taken where both come out with as many, and vocab_size follows.
/// \ref PEFT, ModulesToSaveWrapper and ensure_weight_tying; transformers,
/// PreTrainedModel.tie_weights, of which releases before 5 ignore the head of a model whose config
/// ties it.
class EmbeddingMerge {
 public:
  /// \param config  of the base; null where it has none. It is changed as the merged one has to be.
  /// \param adapter_name  for messages.
  EmbeddingMerge(const ModelFiles& base, ModelConfig* config, const PeftConfig& adapter,
                 std::string adapter_name, TensorChanges& changes)
      : base_(base), config_(config), adapter_name_(std::move(adapter_name)), changes_(changes) {
    const auto ensured = adapter.document.find("ensure_weight_tying");
    keeps_tied_ = ensured != adapter.document.end() && *ensured == true;
  }

  /// \throws ConfigError, FormatError: what cannot be merged so that loaders agree on it.
  void plan() {
    find_names();
    const bool embedding_changes = changes(embedding_), head_changes = changes(head_);
    if (!embedding_changes && !head_changes) return;
    if (is_tied()) {
      plan_tied();
    } else if (embedding_changes && !has(head_) && is_unsaid()) {
      changes_.notes.push_back(quoted_name(embedding_) +
                               " is changed, and with it a head that is tied to it: no config.json "
                               "beside the base says whether there is one");
    }
    check_rows();
  }

 private:
  static std::string weight(const std::string& module) { return module + ".weight"; }
  bool has(const std::string& tensor) const { return base_.find(tensor).has_value(); }
  bool changes(const std::string& tensor) const {
    return changes_.pairs.count(tensor) + changes_.whole.count(tensor) > 0;
  }
  const ReplacedTensor* whole(const std::string& tensor) const {
    const auto found = changes_.whole.find(tensor);
    return found == changes_.whole.end() ? nullptr : found->second;
  }
  std::string base_name() const { return base_.folder().string(); }

  /// Sets embedding_ and head_ to names of tensors, in the base or of the adapter; empty where
  /// there is none, or more than one.
  void find_names() {
    std::set<std::string> embeddings, heads, changed_embeddings, changed_heads;
    for (const auto& [name, found] : base_.tensors()) {
      const std::string module = module_of_weight(name);
      if (found.tensor->shape.size() != 2) continue;
      if (is_embedding(module)) embeddings.insert(name);
      if (is_head(module)) heads.insert(name);
    }
    const auto sort_in = [&](const std::string& name) {
      const std::string module = module_of_weight(name);
      if (is_embedding(module)) changed_embeddings.insert(name);
      if (is_head(module)) changed_heads.insert(name);
    };
    for (const auto& entry : changes_.pairs) sort_in(entry.first);
    for (const auto& entry : changes_.whole) sort_in(entry.first);
    const auto only = [](const auto& names) { return names.size() == 1 ? *names.begin() : ""; };
    head_ = changed_heads.empty() ? only(heads) : only(changed_heads);
    // Of several tables, such as those of an image model beside, the one that the head belongs to.
    if (changed_embeddings.empty() && embeddings.size() > 1)
      for (auto it = embeddings.begin(); it != embeddings.end();)
        it = weight(head_beside(module_of_weight(*it))) == head_ ? std::next(it)
                                                                 : embeddings.erase(it);
    embedding_ = changed_embeddings.empty() ? only(embeddings) : only(changed_embeddings);
    if (head_.empty() && heads.empty() && changed_heads.empty() && !embedding_.empty()) {
      const std::string beside = head_beside(module_of_weight(embedding_));
      if (!beside.empty()) head_ = weight(beside);
    }
  }

  bool is_tied() const {
    if (config_ == nullptr || embedding_.empty() || !has(embedding_) || !config_->has_head())
      return false;
    const auto said = config_->ties_embeddings();
    if (said) return *said;
    // A model with a head and no numbers for it has to be tied.
    return config_->ties_by_default() || (!head_.empty() && !has(head_));
  }

  bool is_unsaid() const {
    return config_ == nullptr || (config_->has_head() && !config_->ties_embeddings());
  }

  void plan_tied() {
    check_one_table();
    // Saved from below a pair, it is the one table that both share.
    const ReplacedTensor* const head = whole(head_);
    if (head != nullptr && !changes(embedding_) &&
        head->tensor.name.find(".base_layer.") != std::string::npos)
      changes_.whole[embedding_] = head;
    const ReplacedTensor *const E = whole(embedding_), *const H = whole(head_);
    const bool pairs = changes_.pairs.count(embedding_) + changes_.pairs.count(head_) > 0;
    if (!pairs && E != nullptr && H != nullptr &&
        same_tensors(*E->file, E->tensor, *H->file, H->tensor))
      return stay_tied();
    // Saved, but as the base has it.
    if (!pairs && (E == nullptr) != (H == nullptr) && is_as_before(E != nullptr ? *E : *H)) {
      if (!has(head_)) changes_.whole.erase(head_);
      return;
    }
    if (keeps_tied_) {
      if (!pairs && E != nullptr && H == nullptr) return stay_tied();
      throw ConfigError(adapter_name_ +
                        ": ensure_weight_tying: expected one whole tensor for embedding and head, "
                        "got other changes of " +
                        quoted_name(changes(head_) ? head_ : embedding_));
    }
    untie();
  }

  bool is_as_before(const ReplacedTensor& entry) const {
    const auto table = base_.find(embedding_);
    return same_tensors(*entry.file, entry.tensor, *table->file, *table->tensor);
  }

  /// A base whose config ties what its files have apart: releases of transformers differ in what
  /// they make of it. No matter where both are replaced.
  void check_one_table() const {
    const auto E = base_.find(embedding_);
    const auto H = base_.find(head_);
    if (!H || (whole(embedding_) != nullptr && whole(head_) != nullptr) ||
        same_tensors(*E->file, *E->tensor, *H->file, *H->tensor))
      return;
    throw ConfigError(
        config_->path().string() + ": tie_word_embeddings: expected " + quoted_name(head_) +
        " of the files to be the same as " + quoted_name(embedding_) +
        ", as it is true, got other numbers: loaders differ in which of them the head "
        "is, so that the adapter, which changes them, cannot be merged");
  }

  void stay_tied() {
    changes_.notes.push_back(quoted_name(head_) + " stays tied to " + quoted_name(embedding_) +
                             " and changes with it");
    if (!has(head_)) {
      changes_.whole.erase(head_);
    } else if (whole(head_) == nullptr) {
      changes_.whole[head_] = whole(embedding_);
    }
  }

  void untie() {
    if (config_->is_encoder_decoder() || last_name(module_of_weight(embedding_)) == "shared")
      throw ConfigError(config_->path().string() +
                        ": expected a model whose head can be untied, got an encoder and decoder "
                        "that share " +
                        quoted_name(embedding_));
    if (head_.empty())
      throw ConfigError(base_name() + ": expected a head with a name that is known beside " +
                        quoted_name(embedding_) + ", to which it is tied, got none");
    if (!has(head_)) {
      changes_.added = head_;
      changes_.added_from = embedding_;
    }
    config_->untie();
    changes_.notes.push_back(
        quoted_name(head_) + " is tied to " + quoted_name(embedding_) +
        " in the base and differs from it with the adapter: the merged model has both" +
        (base_.is_folder() ? ", and tie_word_embeddings is false in its config.json"
                           : "; set tie_word_embeddings to false in its config.json"));
  }

  /// Rows that a tensor has in the merged model, and who says so.
  struct Rows {
    std::uint64_t count = 0;
    std::string from;
  };

  std::optional<Rows> rows_of(const std::string& tensor) const {
    if (const ReplacedTensor* const entry = whole(tensor); entry != nullptr)
      return rows_of(*entry->file, entry->tensor);
    const auto found = base_.find(tensor == changes_.added ? changes_.added_from : tensor);
    if (!found) return std::nullopt;
    return rows_of(*found->file, *found->tensor);
  }
  static std::optional<Rows> rows_of(const SafetensorsReader& file, const TensorInfo& tensor) {
    if (tensor.shape.empty()) return std::nullopt;
    return Rows{tensor.shape[0], quoted_name(tensor.name) + " of " + file.path().string() +
                                     " with the shape " + shape_text(tensor.shape)};
  }

  /// Embedding, head and its bias come out with as many rows where their number changes.
  void check_rows() {
    if (!has(embedding_) || !rows_of(embedding_)) return;
    const std::uint64_t before = base_.find(embedding_)->tensor->shape[0];
    const Rows now = *rows_of(embedding_);
    const std::string bias = module_of_weight(head_) + ".bias";
    bool grows = now.count != before;
    for (const std::string& tensor : {head_, bias}) {
      const auto found = base_.find(tensor);
      const auto rows = rows_of(tensor);
      grows = grows || (found && rows && rows->count != found->tensor->shape[0]);
    }
    if (!grows) return;
    for (const std::string& tensor : {head_, bias}) {
      const auto rows = rows_of(tensor);
      if (rows && rows->count != now.count)
        throw ConfigError("adapter: expected one number of rows in embedding and head, got " +
                          now.from + ", and " + rows->from);
    }
    if (config_ != nullptr) config_->set_vocab_size(now.count);
    changes_.notes.push_back("the vocabulary has " + std::to_string(now.count) + " rows, for " +
                             std::to_string(before) + " of the base" +
                             (config_ == nullptr || !base_.is_folder()
                                  ? "; set vocab_size in its config.json"
                                  : ", and vocab_size in config.json says so"));
  }

  const ModelFiles& base_;
  ModelConfig* config_;
  std::string adapter_name_;
  TensorChanges& changes_;
  bool keeps_tied_ = false;
  std::string embedding_, head_;
};

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
