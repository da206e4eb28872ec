// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/merge_check.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

inline constexpr const char* kGenerationConfigName = "generation_config.json";

/// Writes a checkpoint with its weights changed, tensor by tensor.
class CheckpointMerge {
 public:
  CheckpointMerge(const std::filesystem::path& base, const PeftAdapter& adapter, float sign,
                  double largest_loss)
      : base_(base), adapter_(adapter), sign_(sign), largest_loss_(largest_loss) {
    for (const AdapterModule& module : adapter.modules())
      changes_.pairs[module.path + ".weight"] = &module;
    for (const ReplacedTensor& entry : adapter.replaced()) changes_.whole[entry.name] = &entry;
  }

  MergeReport run(const std::filesystem::path& out) {
    check_apart(out);
    read_config();
    EmbeddingMerge(base_, config_ ? &*config_ : nullptr, adapter_.config(),
                   adapter_.file().path().string(), changes_)
        .plan();
    MergeReport report;
    report.notes = std::move(changes_.notes);
    check_all(report);
    if (base_.is_folder()) {
      std::error_code error;
      std::filesystem::create_directories(out, error);
      if (error) fail_file(out, "cannot be created", error.value());
    }
    for (const auto& file : base_.files()) write(*file, base_.target(*file, out), report);
    if (base_.is_folder()) {
      keep(base_.write_index(out), report);
      write_configs(out, report);
    }
    return report;
  }

 private:
  /// No file of the base may be written over, not even through a link.
  void check_apart(const std::filesystem::path& out) const {
    std::vector<std::pair<std::filesystem::path, std::filesystem::path>> pairs;
    for (const auto& file : base_.files())
      pairs.emplace_back(file->path(), base_.target(*file, out));
    if (base_.is_folder())
      for (const char* const name :
           {kShardIndexName, kGenerationConfigName, ModelConfig::kFileName})
        pairs.emplace_back(base_.folder() / name, out / name);
    std::error_code ignored;
    for (const auto& [from, to] : pairs)
      if (std::filesystem::equivalent(from, to, ignored))
        throw ConfigError("out: expected another place than the base's, got " + to.string());
  }

  static void keep(Warnings more, MergeReport& report) {
    for (std::string& line : more) report.warnings.push_back(std::move(line));
  }

  /// Only where it matters, as it may be anything that Python takes for JSON.
  void read_config() {
    const auto path = base_.folder() / ModelConfig::kFileName;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return;
    const auto matters = [](const auto& changed) {
      const std::string module = module_of_weight(changed.first);
      return is_embedding(module) || is_head(module);
    };
    if (std::any_of(changes_.pairs.begin(), changes_.pairs.end(), matters) ||
        std::any_of(changes_.whole.begin(), changes_.whole.end(), matters))
      config_.emplace(path);
  }

  void write_configs(const std::filesystem::path& out, MergeReport& report) const {
    std::error_code ignored;
    for (const char* const name : {kGenerationConfigName, ModelConfig::kFileName}) {
      const auto path = base_.folder() / name;
      if (!std::filesystem::exists(path, ignored)) continue;
      if (std::string_view(name) == ModelConfig::kFileName && config_ && config_->changed()) {
        keep(write_file(out / name, config_->text()), report);
        continue;
      }
      const FileReader file(path);
      std::string text(static_cast<std::size_t>(file.size()), '\0');
      file.read(0, text.size(), text.data());
      keep(write_file(out / name, text), report);
    }
  }

  MergedTensor merged_tensor(const std::string& name, const TensorInfo& from) const {
    MergedTensor out{name, &from, from.shape};
    const auto whole = changes_.whole.find(name);
    if (whole != changes_.whole.end()) {
      out.whole = whole->second;
      out.shape = whole->second->tensor.shape;
    }
    const auto pair = changes_.pairs.find(name);
    if (pair != changes_.pairs.end()) out.pair = pair->second;
    return out;
  }

  /// The tensors of a file of the merged checkpoint.
  std::vector<MergedTensor> merged_tensors(const SafetensorsReader& file) const {
    std::vector<MergedTensor> out;
    for (const TensorInfo& tensor : file.tensors()) {
      out.push_back(merged_tensor(tensor.name, tensor));
      if (tensor.name == changes_.added_from) out.push_back(merged_tensor(changes_.added, tensor));
    }
    return out;
  }

  /// Everything that can be known without the base's numbers, before the first file is written.
  void check_all(MergeReport& report) {
    std::set<std::string> seen;
    for (const auto& file : base_.files())
      for (const MergedTensor& tensor : merged_tensors(*file)) {
        if (tensor.whole == nullptr && tensor.pair == nullptr && tensor.name != changes_.added)
          continue;
        seen.insert(tensor.name);
        check_merge(*file, tensor, adapter_, largest_loss_, report);
        const TensorInfo sized = sized_as(tensor);
        if (tensor.shape != tensor.from->shape || tensor.name == changes_.added)
          base_.note_in_index(tensor.name, *file, sized.bytes(), sized.count());
      }
    const auto expect = [&](const std::string& name) {
      if (seen.count(name) > 0) return;
      const bool tied = is_head(module_of_weight(name)) && !config_;
      throw ConfigError("base: expected a tensor " + quoted_name(name) +
                        ", as the adapter has one for it, got none" +
                        (tied ? ", and no config.json beside it that ties it to another" : ""));
    };
    for (const auto& entry : changes_.pairs) expect(entry.first);
    for (const auto& entry : changes_.whole) expect(entry.first);
  }

  void write(const SafetensorsReader& base, const std::filesystem::path& to,
             MergeReport& report) const {
    SafetensorsWriter writer;
    for (const auto& [key, value] : base.metadata()) writer.set_metadata(key, value);
    for (const MergedTensor& tensor : merged_tensors(base)) {
      ++(tensor.name == changes_.added ? report.added
         : tensor.pair != nullptr      ? report.merged
         : tensor.whole != nullptr     ? report.replaced
                                       : report.copied);
      writer.add(
          tensor.name, tensor.from->dtype, tensor.shape, [this, &base, tensor](TensorSink& sink) {
            if (tensor.pair != nullptr) {
              merge(base, tensor, sink);
            } else if (tensor.whole != nullptr) {
              in_blocks(tensor.whole->tensor.count(), [&](std::uint64_t first, std::size_t count) {
                std::vector<double> block(count);
                tensor.whole->file->read(tensor.whole->tensor, first, count, block.data());
                sink.write(block.data(), count);
              });
            } else {
              in_blocks(tensor.from->bytes(), [&](std::uint64_t first, std::size_t count) {
                std::vector<unsigned char> block(count);
                base.read_bytes(*tensor.from, first, count, block.data());
                sink.write_bytes(block.data(), count);
              });
            }
          });
    }
    keep(writer.write(to), report);
  }

  /// W + s B A in float (double where it is written so), in rows of the file, which DoRA gives their
  /// lengths.
  void merge(const SafetensorsReader& base, const MergedTensor& tensor, TensorSink& sink) const {
    if (sink.tensor().dtype == Dtype::f64) {
      merge_in<double>(base, tensor, sink);
    } else {
      merge_in<float>(base, tensor, sink);
    }
  }

  template <typename Scalar>
  void merge_in(const SafetensorsReader& base, const MergedTensor& tensor, TensorSink& sink) const {
    constexpr Index kBlockRows = 256;
    const AdapterModule& module = *tensor.pair;
    RowMatrix<Scalar> left = module.lora_B().template cast<Scalar>();
    RowMatrix<Scalar> right = module.lora_A().template cast<Scalar>();
    left *= static_cast<Scalar>(static_cast<double>(sign_) * module.scaling());
    if (is_transposed(tensor, adapter_.config())) {
      const RowMatrix<Scalar> transposed = left.transpose();
      left = right.transpose();
      right = transposed;
    }
    const RowMatrix<float> magnitude = module.is_dora() ? module.magnitude() : RowMatrix<float>();
    RowMatrix<Scalar> block;
    for (Index row = 0; row < left.rows(); row += kBlockRows) {
      const Index rows = (std::min)(kBlockRows, left.rows() - row);
      block.resize(rows, right.cols());
      const auto count = static_cast<std::size_t>(block.size());
      const auto first = static_cast<std::uint64_t>(row * right.cols());
      if (tensor.whole != nullptr) {
        tensor.whole->file->read(tensor.whole->tensor, first, count, block.data());
      } else {
        base.read(*tensor.from, first, count, block.data());
      }
      block.noalias() += left.middleRows(row, rows) * right;
      for (Index i = 0; i < rows && module.is_dora(); ++i) {
        // A row of zeros stays one.
        const double norm = block.row(i).template cast<double>().norm();
        if (norm > 0)
          block.row(i) *= static_cast<Scalar>(static_cast<double>(magnitude(0, row + i)) / norm);
      }
      visit_storage_type(*storage_type_of(sink.tensor().dtype), [&](auto zero) {
        using T = decltype(zero);
        for (std::size_t k = 0; k < count; ++k)
          if (!is_finite(static_cast<double>(static_cast<T>(block.data()[k]))))
            fail_not_finite(tensor.name, std::string(info(sink.tensor().dtype).name));
      });
      sink.write(block.data(), count);
    }
  }

  ModelFiles base_;
  const PeftAdapter& adapter_;
  float sign_;
  double largest_loss_;
  TensorChanges changes_;
  std::optional<ModelConfig> config_;
};

}  // namespace detail

/// Writes a base checkpoint with an adapter in it: W + s B A in the base's own dtype, summed in
/// float (in double where W is), tensors that the adapter has whole in place of the base's, and
/// everything else byte for byte. One tensor's factors and 256 of its rows are in memory at a time.
/// A head that is tied to the embedding and differs from it with the adapter is untied
/// (EmbeddingMerge); embeddings that were resized are taken where embedding and head have as many
/// rows. MergeReport::notes says so.
/// \param base  a safetensors file; or a folder with model.safetensors, or with shards and
///              model.safetensors.index.json. Its config.json, in the same folder, says whether
///              embedding and head are tied.
/// \param out   a file or a folder, as base is; not the base itself. A folder gets config.json and
///              generation_config.json besides, so that the model can be loaded. Each file is there
///              whole or not at all, config.json last.
/// \param largest_loss  of a whole tensor in the base's dtype, as a part of its norm.
/// \throws ConfigError (an adapter that belongs to another W0, PeftConfig::changes_base; a module
/// that the base has not, by its name; a head that cannot be untied; a larger loss), FormatError
/// (other shapes or dtypes; an index that is not its shards'), FileError.
/// \cost 2 m n r flops per module.
inline MergeReport merge_adapter(const std::filesystem::path& base, const PeftAdapter& adapter,
                                 const std::filesystem::path& out,
                                 double largest_loss = kLargestFactorLoss) {
  detail::check_pristine_base(adapter.config());
  return detail::CheckpointMerge(base, adapter, 1, largest_loss).run(out);
}

/// Takes an adapter out again: W - s B A, the base's W to within the rounding of its dtype. A head
/// that was untied stays so.
/// \throws as merge_adapter; ConfigError also where the adapter replaced tensors, which are lost, or
/// is DoRA, as the lengths that the rows had are lost too.
inline MergeReport unmerge_adapter(const std::filesystem::path& merged, const PeftAdapter& adapter,
                                   const std::filesystem::path& out) {
  detail::check_pristine_base(adapter.config());
  if (adapter.config().use_dora)
    throw ConfigError(
        "adapter: expected LoRA to unmerge, got DoRA, which leaves no trace of the lengths of W's "
        "rows");
  if (!adapter.replaced().empty())
    throw ConfigError("adapter: expected pairs alone to unmerge, got the whole tensor " +
                      detail::quoted_name(adapter.replaced().front().name) +
                      ", whose old numbers are nowhere");
  return detail::CheckpointMerge(merged, adapter, -1, kLargestFactorLoss).run(out);
}

}  // namespace io
LORAPRO_NAMESPACE_END
