// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/safetensors.hpp>

#include <memory>  // std::shared_ptr

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A tensor of an adapter that stands in for one of the base model's (modules_to_save, biases,
/// embeddings).
struct ReplacedTensor {
  std::string name;  ///< as the base model calls it: model.norm.weight
  std::shared_ptr<const SafetensorsReader> file;
  TensorInfo tensor;
};

namespace detail {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";

/// Ends of names, behind the path of a module: of a linear layer, of an embedding, and of DoRA.
inline constexpr std::string_view kFactorASuffix = ".lora_A.weight";
inline constexpr std::string_view kFactorBSuffix = ".lora_B.weight";
inline constexpr std::string_view kEmbeddingASuffix = ".lora_embedding_A";
inline constexpr std::string_view kEmbeddingBSuffix = ".lora_embedding_B";
inline constexpr std::string_view kMagnitudeSuffix = ".lora_magnitude_vector";

/// Takes `suffix` from the end of `name`. \return whether it was there.
inline bool strip_suffix(std::string_view& name, std::string_view suffix) {
  if (name.size() <= suffix.size() || name.substr(name.size() - suffix.size()) != suffix)
    return false;
  name.remove_suffix(suffix.size());
  return true;
}

/// What a name of a whole tensor says. PEFT keeps a module with factors as `<module>.base_layer`,
/// and one of modules_to_save twice, as `<module>.original_module` and `<module>.modules_to_save`;
/// what it saves of them by parts of names keeps those words.
struct WholeName {
  explicit WholeName(std::string_view written) {
    while (!written.empty()) {
      const std::string_view part = written.substr(0, written.find('.'));
      written.remove_prefix((std::min)(part.size() + 1, written.size()));
      if (part == "base_layer") {
        is_wrapped = true;
      } else if (part == "modules_to_save") {
        is_copy = true;
      } else if (part == "original_module") {
        is_original = true;
      } else {
        name += (name.empty() ? "" : ".") + std::string(part);
      }
    }
  }

  /// Which of two tensors for one name counts when PEFT loads them: the greater.
  int precedence() const { return is_wrapped ? 2 : is_copy ? 0 : 1; }

  std::string name;          ///< as the base model calls it
  bool is_wrapped = false;   ///< a tensor of the module that got factors
  bool is_copy = false;      ///< a tensor of the copy that is trained
  bool is_original = false;  ///< a tensor of the one that is not, and not in use
};

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
