// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_rounding.hpp>
#include <lorapro/io/fitted_config.hpp>

#include <map>  // std::map

LORAPRO_NAMESPACE_BEGIN
namespace io {

namespace detail {

inline constexpr const char* kPeftConfigName = "adapter_config.json";
inline constexpr const char* kPeftWeightsName = "adapter_model.safetensors";

template <typename T>
RowMatrix<T> read_finite(const SafetensorsReader& file, const TensorInfo& tensor, Index rows,
                         Index cols) {
  RowMatrix<T> out(rows, cols);
  file.read(tensor, out.data());
  if (!all_finite(out))
    fail_tensor(file.path(), tensor.name, "expected finite numbers, got one that is not");
  return out;
}

template <typename T>
RowMatrix<T> read_matrix(const SafetensorsReader& file, const TensorInfo& tensor) {
  return read_finite<T>(file, tensor, static_cast<Index>(tensor.shape[0]),
                        static_cast<Index>(tensor.shape[1]));
}

/// One of two factors; where either is F64, both decide how they fit into float.
inline RowMatrix<float> read_factor(const SafetensorsReader& file, const TensorInfo& A,
                                    const TensorInfo& B, bool is_A) {
  if (A.dtype != Dtype::f64 && B.dtype != Dtype::f64) return read_matrix<float>(file, is_A ? A : B);
  FloatFactors both = float_factors(read_matrix<double>(file, A), read_matrix<double>(file, B));
  if (!both.fits)
    fail_tensor(file.path(), is_A ? A.name : B.name,
                "expected factors whose product float can hold, got others");
  return is_A ? std::move(both.A) : std::move(both.B);
}

}  // namespace detail

/// A PEFT adapter directory: adapter_config.json and adapter_model.safetensors. Both are checked
/// against each other when it is opened, except for the numbers, which are checked to be finite as
/// they are read.
/// \ref PEFT, get_peft_model_state_dict and LoraConfig.
class PeftAdapter {
 public:
  /// \throws FileError; FormatError: either file alone; half of a pair; shapes, or a rank that is
  /// not the config's; a module that target_modules leaves out; magnitudes where use_dora is not, or
  /// none where it is; a tensor of another kind (convolutions), by its name.
  explicit PeftAdapter(const std::filesystem::path& folder) : folder_(folder) {
    const auto weights = folder / detail::kPeftWeightsName;
    std::error_code ignored;
    if (!std::filesystem::exists(weights, ignored) &&
        std::filesystem::exists(folder / "adapter_model.bin", ignored))
      throw FormatError((folder / "adapter_model.bin").string() +
                        ": expected adapter_model.safetensors beside it, got a pickle alone, which "
                        "runs code when it is read");
    config_ = PeftConfig::read(folder / detail::kPeftConfigName);
    file_ = std::make_shared<const SafetensorsReader>(weights);
    std::map<std::string, Halves> pairs;
    for (const TensorInfo& tensor : file_->tensors()) sort_in(tensor, pairs);
    const PatternIndex ranks(config_.rank_pattern), alphas(config_.alpha_pattern);
    const PeftTargets targets(config_);
    for (const auto& [path, halves] : pairs) {
      const std::size_t rank = ranks.first_match(path), alpha = alphas.first_match(path);
      add_module(
          path, halves, rank == PatternIndex::npos ? config_.r : config_.rank_pattern[rank].second,
          alpha == PatternIndex::npos ? config_.lora_alpha : config_.alpha_pattern[alpha].second);
      if (!targets.listed(path)) fail(*halves.A, "expected a module of target_modules");
      config_.read_with.push_back(path);
    }
    sort_by_path(modules_);
  }

  const std::filesystem::path& folder() const { return folder_; }
  const PeftConfig& config() const { return config_; }
  /// In the order of their paths; they keep the file open.
  const AdapterModules& modules() const { return modules_; }
  const std::vector<ReplacedTensor>& replaced() const { return replaced_; }
  const SafetensorsReader& file() const { return *file_; }

 private:
  struct Halves {
    const TensorInfo* A = nullptr;
    const TensorInfo* B = nullptr;
    const TensorInfo* magnitude = nullptr;
  };

  [[noreturn]] void fail(const TensorInfo& tensor, const std::string& problem) const {
    detail::fail_tensor(file_->path(), tensor.name, problem);
  }

  void sort_in(const TensorInfo& tensor, std::map<std::string, Halves>& pairs) {
    std::string_view name = tensor.name;
    if (name.substr(0, detail::kPeftPrefix.size()) != detail::kPeftPrefix)
      fail(tensor, "expected a name that begins with base_model.model.");
    name.remove_prefix(detail::kPeftPrefix.size());
    const auto keep = [&](const TensorInfo* Halves::*place) {
      const TensorInfo*& kept = pairs[std::string(name)].*place;
      if (kept != nullptr)
        fail(tensor,
             "expected factors of one kind, got " + detail::quoted_name(kept->name) + " besides");
      kept = &tensor;
    };
    if (detail::strip_suffix(name, detail::kFactorASuffix) ||
        detail::strip_suffix(name, detail::kEmbeddingASuffix)) {
      keep(&Halves::A);
    } else if (detail::strip_suffix(name, detail::kFactorBSuffix) ||
               detail::strip_suffix(name, detail::kEmbeddingBSuffix)) {
      keep(&Halves::B);
    } else if (config_.use_dora && detail::strip_suffix(name, detail::kMagnitudeSuffix)) {
      keep(&Halves::magnitude);
    } else {
      add_whole(tensor, detail::WholeName(name));
    }
  }

  void add_whole(const TensorInfo& tensor, const detail::WholeName& whole) {
    if (whole.is_original) return;  // what the base has
    const std::string module = whole.name.substr(0, whole.name.rfind('.'));
    if (!whole.is_wrapped && !whole.is_copy && !config_.saves(module)) {
      if (whole.name.find("lora_") != std::string::npos)
        fail(tensor, "expected lora_A.weight or lora_B.weight, got a kind that is not supported");
      const bool is_bias = config_.bias != "none" && whole.name.find("bias") != std::string::npos;
      if (!is_bias && !is_embedding(tensor))
        fail(tensor,
             "expected a factor, or a module of modules_to_save, or a bias where bias is not "
             "none");
    }
    const auto [place, is_new] = places_.emplace(whole.name, replaced_.size());
    if (is_new) {
      replaced_.push_back({whole.name, file_, tensor});
      return;
    }
    ReplacedTensor& other = replaced_[place->second];
    const std::string_view name(other.tensor.name);
    const detail::WholeName earlier(name.substr(detail::kPeftPrefix.size()));
    if (earlier.precedence() < whole.precedence()) other.tensor = tensor;
  }

  /// PEFT also saves the input and the output embeddings, where the vocabulary was resized, without
  /// a word in the config. They have as many names as there are models, and are matrices.
  bool is_embedding(const TensorInfo& tensor) const {
    std::string_view name(tensor.name);
    if (detail::strip_suffix(name, ".weight")) return tensor.shape.size() == 2;
    if (!detail::strip_suffix(name, ".bias")) return false;
    const TensorInfo* const weight = file_->find(std::string(name) + ".weight");
    return weight != nullptr && weight->shape.size() == 2;
  }

  /// Both factors of one kind, and a magnitude where the config has them.
  /// \return whether they are an embedding's.
  bool check_kind(const Halves& halves) const {
    const auto is_embedding = [](const TensorInfo& factor) {
      std::string_view name(factor.name);
      return detail::strip_suffix(name, detail::kEmbeddingASuffix) ||
             detail::strip_suffix(name, detail::kEmbeddingBSuffix);
    };
    const auto expect = [&](const TensorInfo* other, const TensorInfo& there,
                            std::string_view suffix) {
      if (other == nullptr || is_embedding(*other) != is_embedding(there))
        fail(there, "expected a " + std::string(suffix.substr(1)) + " beside it, got none");
    };
    if (halves.A == nullptr && halves.B == nullptr)
      fail(*halves.magnitude, "expected factors beside it, got none");
    const TensorInfo& there = halves.A != nullptr ? *halves.A : *halves.B;
    const bool embedding = is_embedding(there);
    expect(halves.A, there, embedding ? detail::kEmbeddingASuffix : detail::kFactorASuffix);
    expect(halves.B, there, embedding ? detail::kEmbeddingBSuffix : detail::kFactorBSuffix);
    if (embedding && config_.use_dora)
      fail(there, "expected no embedding where use_dora is true, as it is not supported");
    if (config_.use_dora) expect(halves.magnitude, there, detail::kMagnitudeSuffix);
    return embedding;
  }

  void add_module(const std::string& path, const Halves& halves, Index expected, double alpha) {
    const bool embedding = check_kind(halves);
    const TensorInfo &A = *halves.A, &B = *halves.B;
    for (const TensorInfo* const tensor : {&A, &B}) {
      if (tensor->shape.size() != 2)
        fail(*tensor, "expected a matrix, got " + shape_text(tensor->shape));
      for (const std::uint64_t size : tensor->shape)
        if (size < 1 || size > std::uint64_t{1} << 31U)
          fail(*tensor, "expected sizes from 1 to 2^31, got " + shape_text(tensor->shape));
      if (!storage_type_of(tensor->dtype))
        fail(*tensor,
             "expected F64, F32, F16 or BF16, got " + std::string(info(tensor->dtype).name));
    }
    const auto rank = static_cast<std::uint64_t>(expected);
    if (A.shape[0] != rank)
      fail(A, "expected rank " + std::to_string(rank) + ", as the config has, got " +
                  shape_text(A.shape));
    if (B.shape[1] != rank)
      fail(B, "expected rank " + std::to_string(rank) + ", as the config has, got " +
                  shape_text(B.shape));
    modules_.push_back({path, static_cast<Index>(B.shape[0]), static_cast<Index>(A.shape[1]),
                        expected, alpha, config_.use_rslora,
                        [file = file_, A, B] { return detail::read_factor(*file, A, B, true); },
                        [file = file_, A, B] { return detail::read_factor(*file, A, B, false); }});
    modules_.back().is_embedding = embedding;
    if (halves.magnitude == nullptr) return;
    const TensorInfo& magnitude = *halves.magnitude;
    if (magnitude.shape != TensorShape{B.shape[0]})
      fail(magnitude, "expected " + shape_text({B.shape[0]}) +
                          ", a number for each row of lora_B, got " + shape_text(magnitude.shape));
    if (!storage_type_of(magnitude.dtype))
      fail(magnitude,
           "expected F64, F32, F16 or BF16, got " + std::string(info(magnitude.dtype).name));
    modules_.back().magnitude = [file = file_, magnitude] {
      return detail::read_finite<float>(*file, magnitude, 1,
                                        static_cast<Index>(magnitude.shape[0]));
    };
  }

  std::filesystem::path folder_;
  PeftConfig config_;
  std::shared_ptr<const SafetensorsReader> file_;
  AdapterModules modules_;
  std::vector<ReplacedTensor> replaced_;
  std::map<std::string, std::size_t> places_;  // of names in replaced_
};

namespace detail {

/// \throws ConfigError where s B A does not belong to the untouched base model.
inline void check_pristine_base(const PeftConfig& config) {
  if (config.changes_base())
    throw ConfigError(
        "init_lora_weights: expected an adapter that belongs to the untouched base, "
        "got " +
        quoted_name(config.init_lora_weights) + ", which starts from another W0");
}

/// The name under which PEFT looks for a whole tensor of the base model, whose module may be one
/// that gets factors (`paths`, sorted).
inline std::string whole_name_in_peft(const std::string& name,
                                      const std::vector<std::string>& paths) {
  const auto dot = (std::min)(name.rfind('.'), name.size());
  const std::string module = name.substr(0, dot);
  const bool is_wrapped = std::binary_search(paths.begin(), paths.end(), module);
  return std::string(kPeftPrefix) + module + (is_wrapped ? ".base_layer" : "") + name.substr(dot);
}

}  // namespace detail

/// Writes a PEFT adapter directory, made if it is not there. The weights are written first and the
/// config last; each file is there whole or not at all.
/// \param config    fitted to the modules and whole tensors (fitted_config).
/// \param type      F32, F16 or BF16 of the factors; magnitudes are F32, as an error of one is that
///                  of a whole row of W; replaced tensors keep their types.
/// \param replaced  tensors that stand in for the base model's, copied.
/// \param largest_loss  of s B A in `type`, as a part of its norm (round_factors).
/// \throws ConfigError (a factor that is not finite in `type`, a larger loss, a name twice),
/// ShapeError, FileError, and what the modules throw.
/// \cost in F16 and BF16 each factor is made twice, and as round_factors per module.
inline AdapterWriteReport write_peft_adapter(const std::filesystem::path& folder,
                                             const PeftConfig& config,
                                             const AdapterModules& modules,
                                             StorageType type = StorageType::f32,
                                             const std::vector<ReplacedTensor>& replaced = {},
                                             double largest_loss = kLargestFactorLoss) {
  AdapterWriteReport report;
  const PeftConfig fitted = fitted_config(config, modules, replaced);
  SafetensorsWriter writer;
  writer.set_metadata("format", "pt");
  const auto add = [&](const AdapterModule& module, std::string_view suffix, StorageType as,
                       const TensorShape& shape, const auto& make) {
    writer.add(std::string(detail::kPeftPrefix) + module.path + std::string(suffix), dtype_of(as),
               shape, [=, &module, factor = std::string(suffix.substr(1))](TensorSink& sink) {
                 const RowMatrix<float> values = make();
                 const Index rows = shape.size() == 1 ? 1 : static_cast<Index>(shape[0]);
                 detail::check_writable(module, factor.c_str(), values, as, rows,
                                        static_cast<Index>(shape.back()));
                 sink.write(values.data(), static_cast<std::size_t>(values.size()));
               });
  };
  const detail::ModuleRoundings roundings(modules, type, largest_loss,
                                          std::vector<double>(modules.size(), 1), report);
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const AdapterModule& module = modules[i];
    const auto rank = static_cast<std::uint64_t>(module.rank),
               out = static_cast<std::uint64_t>(module.out_features),
               in = static_cast<std::uint64_t>(module.in_features);
    const bool table = module.is_embedding;
    add(module, table ? detail::kEmbeddingASuffix : detail::kFactorASuffix, type, {rank, in},
        [=, &module, &roundings] { return roundings.lora_A(i, module.lora_A()); });
    add(module, table ? detail::kEmbeddingBSuffix : detail::kFactorBSuffix, type, {out, rank},
        [=, &module, &roundings] { return roundings.lora_B(i, module.lora_B()); });
    if (module.is_dora())
      add(module, detail::kMagnitudeSuffix, StorageType::f32, {out}, module.magnitude);
  }
  for (const ReplacedTensor& entry : replaced)
    writer.add(detail::whole_name_in_peft(entry.name, fitted.read_with), entry.tensor.dtype,
               entry.tensor.shape, [&entry](TensorSink& sink) {
                 std::vector<unsigned char> bytes(static_cast<std::size_t>(entry.tensor.bytes()));
                 entry.file->read_bytes(entry.tensor, 0, bytes.size(), bytes.data());
                 sink.write_bytes(bytes.data(), bytes.size());
               });
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) detail::fail_file(folder, "cannot be created", error.value());
  report.warnings = writer.write(folder / detail::kPeftWeightsName);
  for (std::string& line : write_file(folder / detail::kPeftConfigName, fitted.text()))
    report.warnings.push_back(std::move(line));
  return report;
}

}  // namespace io
LORAPRO_NAMESPACE_END
