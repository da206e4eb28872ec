// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_module.hpp>
#include <lorapro/io/peft_config.hpp>
#include <lorapro/io/safetensors.hpp>

#include <memory>  // std::shared_ptr

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A tensor of an adapter that stands in for one of the base model's (modules_to_save, biases).
struct ReplacedTensor {
  std::string name;  ///< as the base model calls it: model.norm.weight
  std::shared_ptr<const SafetensorsReader> file;
  TensorInfo tensor;
};

namespace detail {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";
inline constexpr const char* kPeftConfigName = "adapter_config.json";
inline constexpr const char* kPeftWeightsName = "adapter_model.safetensors";

/// Takes `suffix` from the end of `name`. \return whether it was there.
inline bool strip_suffix(std::string_view& name, std::string_view suffix) {
  if (name.size() <= suffix.size() || name.substr(name.size() - suffix.size()) != suffix)
    return false;
  name.remove_suffix(suffix.size());
  return true;
}

inline RowMatrix<float> read_matrix(const SafetensorsReader& file, const TensorInfo& tensor) {
  RowMatrix<float> out(static_cast<Index>(tensor.shape[0]), static_cast<Index>(tensor.shape[1]));
  file.read(tensor, out.data());
  if (!finite_in(StorageType::f32, out))
    fail_tensor(file.path(), tensor.name, "expected finite numbers, got one that is not");
  return out;
}

}  // namespace detail

/// A PEFT adapter directory: adapter_config.json and adapter_model.safetensors. Both are checked
/// against each other when it is opened, except for the numbers, which are checked to be finite as
/// they are read.
/// \ref PEFT, get_peft_model_state_dict and LoraConfig.
class PeftAdapter {
 public:
  /// \throws FileError; FormatError: either file alone; half of a pair; shapes, or a rank that is
  /// not the config's; a module that target_modules leaves out; a tensor of another kind
  /// (embeddings, convolutions, DoRA), by its name.
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
    for (const auto& [path, halves] : pairs) add_module(path, halves);
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
  };

  [[noreturn]] void fail(const TensorInfo& tensor, const std::string& problem) const {
    detail::fail_tensor(file_->path(), tensor.name, problem);
  }

  void sort_in(const TensorInfo& tensor, std::map<std::string, Halves>& pairs) {
    std::string_view name = tensor.name;
    if (name.substr(0, detail::kPeftPrefix.size()) != detail::kPeftPrefix)
      fail(tensor, "expected a name that begins with base_model.model.");
    name.remove_prefix(detail::kPeftPrefix.size());
    const std::string base_name(name);
    if (detail::strip_suffix(name, ".lora_A.weight")) {
      pairs[std::string(name)].A = &tensor;
    } else if (detail::strip_suffix(name, ".lora_B.weight")) {
      pairs[std::string(name)].B = &tensor;
    } else if (name.find("lora_") != std::string_view::npos) {
      fail(tensor, "expected lora_A.weight or lora_B.weight, got a kind that is not supported");
    } else if (replaces(name)) {
      replaced_.push_back({base_name, file_, tensor});
    } else {
      fail(tensor,
           "expected a factor, or a module of modules_to_save, or a bias where bias is not "
           "none");
    }
  }

  bool replaces(std::string_view name) const {
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos) return false;
    const std::string_view module = name.substr(0, dot), leaf = name.substr(dot + 1);
    // PEFT also saves embeddings that were resized, without saying so in the config.
    if (leaf == "weight" && detail::names_module({"embed_tokens", "lm_head"}, module)) return true;
    return config_.saves(module) || (leaf == "bias" && config_.bias != "none");
  }

  void add_module(const std::string& path, const Halves& halves) {
    if (halves.A == nullptr) fail(*halves.B, "expected a lora_A.weight beside it, got none");
    if (halves.B == nullptr) fail(*halves.A, "expected a lora_B.weight beside it, got none");
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
    const auto rank = static_cast<std::uint64_t>(config_.rank_of(path));
    if (A.shape[0] != rank)
      fail(A, "expected rank " + std::to_string(rank) + ", as the config has, got " +
                  shape_text(A.shape));
    if (B.shape[1] != rank)
      fail(B, "expected rank " + std::to_string(rank) + ", as the config has, got " +
                  shape_text(B.shape));
    if (!config_.targets(path)) fail(A, "expected a module of target_modules");
    modules_.push_back({path, static_cast<Index>(B.shape[0]), static_cast<Index>(A.shape[1]),
                        static_cast<Index>(rank), config_.alpha_of(path), config_.use_rslora,
                        [file = file_, A] { return detail::read_matrix(*file, A); },
                        [file = file_, B] { return detail::read_matrix(*file, B); }});
  }

  std::filesystem::path folder_;
  PeftConfig config_;
  std::shared_ptr<const SafetensorsReader> file_;
  AdapterModules modules_;
  std::vector<ReplacedTensor> replaced_;
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

/// The most frequent value, the smallest of several.
template <typename Value>
Value most_frequent(const std::vector<Value>& values) {
  std::map<Value, std::size_t> counts;
  for (const Value value : values) ++counts[value];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// A default and patterns that give each path its value. A key also matches longer paths that end
/// in it, so that those get keys of their own, and the longest key comes first.
template <typename Value>
PatternMap<Value> patterns_for(const std::vector<std::pair<std::string, Value>>& values,
                               Value common) {
  PatternMap<Value> out;
  for (const auto& [path, value] : values)
    if (value != common) out.emplace_back(path, value);
  const std::size_t special = out.size();
  for (const auto& [path, value] : values)
    if (value == common)
      for (std::size_t k = 0; k < special; ++k)
        if (ModulePattern(out[k].first).matches_suffix(path)) {
          out.emplace_back(path, value);
          break;
        }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  for (const auto& [path, value] : values) {
    const Value* const found = find_pattern(out, path);
    if ((found == nullptr ? common : *found) != value)
      throw ConfigError("path: expected one that patterns can tell from the others, got " +
                        quoted_name(path));
  }
  return out;
}

}  // namespace detail

/// Fits a config to modules: r, lora_alpha and their patterns, use_rslora, and target_modules where
/// the config has none or leaves a module out.
/// \throws ConfigError (no modules; some with rsLoRA and some without).
inline PeftConfig fitted_config(PeftConfig config, const AdapterModules& modules) {
  if (modules.empty()) throw ConfigError("modules: expected at least one, got none");
  std::vector<std::pair<std::string, Index>> ranks;
  std::vector<std::pair<std::string, double>> alphas;
  bool fits = true, targeted = !config.target_pattern.empty() || !config.target_modules.empty();
  for (const AdapterModule& module : modules) {
    if (module.use_rslora != modules.front().use_rslora)
      throw ConfigError("use_rslora: expected the same for all modules, got another for " +
                        detail::quoted_name(module.path));
    ranks.emplace_back(module.path, module.rank);
    alphas.emplace_back(module.path, module.lora_alpha);
    fits = fits && config.rank_of(module.path) == module.rank &&
           config.alpha_of(module.path) == module.lora_alpha;
    targeted = targeted && config.targets(module.path);
  }
  config.use_rslora = modules.front().use_rslora;
  if (!fits) {
    std::vector<Index> all_ranks;
    std::vector<double> all_alphas;
    for (const auto& entry : ranks) all_ranks.push_back(entry.second);
    for (const auto& entry : alphas) all_alphas.push_back(entry.second);
    config.r = detail::most_frequent(all_ranks);
    config.lora_alpha = detail::most_frequent(all_alphas);
    config.rank_pattern = detail::patterns_for(ranks, config.r);
    config.alpha_pattern = detail::patterns_for(alphas, config.lora_alpha);
  }
  if (!targeted) {
    config.target_pattern.clear();
    config.target_modules.clear();
    for (const auto& entry : ranks) config.target_modules.push_back(entry.first);
    std::sort(config.target_modules.begin(), config.target_modules.end());
  }
  return config;
}

/// Writes a PEFT adapter directory, made if it is not there. The weights are written first and the
/// config last; each file is there whole or not at all.
/// \param config    fitted to the modules (fitted_config).
/// \param type      F32, F16 or BF16 of the factors; replaced tensors keep theirs.
/// \param replaced  tensors that stand in for the base model's, copied.
/// \throws ConfigError (a factor that is not finite in `type`, a name twice), ShapeError,
/// FileError, and what the modules throw.
inline void write_peft_adapter(const std::filesystem::path& folder, const PeftConfig& config,
                               const AdapterModules& modules, StorageType type = StorageType::f32,
                               const std::vector<ReplacedTensor>& replaced = {}) {
  const PeftConfig fitted = fitted_config(config, modules);
  SafetensorsWriter writer;
  writer.set_metadata("format", "pt");
  const auto add = [&](const AdapterModule& module, const char* factor, Index rows, Index cols,
                       const auto& make) {
    writer.add(std::string(detail::kPeftPrefix) + module.path + "." + factor + ".weight",
               dtype_of(type), {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols)},
               [=, &module](TensorSink& sink) {
                 const RowMatrix<float> values = make();
                 detail::check_writable(module, factor, values, type, rows, cols);
                 sink.write(values.data(), static_cast<std::size_t>(values.size()));
               });
  };
  for (const AdapterModule& module : modules) {
    add(module, "lora_A", module.rank, module.in_features, module.lora_A);
    add(module, "lora_B", module.out_features, module.rank, module.lora_B);
  }
  for (const ReplacedTensor& entry : replaced)
    writer.add(std::string(detail::kPeftPrefix) + entry.name, entry.tensor.dtype,
               entry.tensor.shape, [&entry](TensorSink& sink) {
                 std::vector<unsigned char> bytes(static_cast<std::size_t>(entry.tensor.bytes()));
                 entry.file->read_bytes(entry.tensor, 0, bytes.size(), bytes.data());
                 sink.write_bytes(bytes.data(), bytes.size());
               });
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) detail::fail_file(folder, "cannot be created", error.value());
  writer.write(folder / detail::kPeftWeightsName);
  write_file(folder / detail::kPeftConfigName, fitted.text());
}

}  // namespace io
LORAPRO_NAMESPACE_END
