// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/pairs.hpp>

#include <string>         // std::string
#include <unordered_map>  // std::unordered_map
#include <unordered_set>  // std::unordered_set
#include <vector>         // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// What a parameter is to the optimizer.
enum class Role : std::int64_t { plain, lora_A, lora_B };

/// Which parameters are factors, and of which pair.
class PairTable {
 public:
  /// \throws as check_pair, StateError (a factor twice); the pairs before it have been added then.
  void add(const std::vector<LoraPair>& pairs) {
    for (const LoraPair& pair : pairs) {
      check_pair(pair);
      if (!by_A_.emplace(key_of(pair.lora_A), pairs_.size()).second ||
          !of_B_.insert(key_of(pair.lora_B)).second)
        throw StateError("pairs: expected every factor once, got one again");
      pairs_.push_back(pair);
    }
  }

  const std::vector<LoraPair>& pairs() const { return pairs_; }

  Role role_of(const torch::Tensor& parameter) const {
    if (by_A_.count(key_of(parameter)) != 0) return Role::lora_A;
    return of_B_.count(key_of(parameter)) != 0 ? Role::lora_B : Role::plain;
  }

  /// The pair of which the parameter is lora_A. \pre Its role is that.
  const LoraPair& with_A(const torch::Tensor& parameter) const {
    return pairs_[by_A_.at(key_of(parameter))];
  }

  /// What messages call a pair of the table.
  std::string text(const LoraPair& pair) const {
    return text_of(pair, by_A_.at(key_of(pair.lora_A)));
  }

 private:
  static const void* key_of(const torch::Tensor& parameter) {
    return parameter.unsafeGetTensorImpl();
  }

  std::vector<LoraPair> pairs_;
  std::unordered_map<const void*, std::size_t> by_A_;
  std::unordered_set<const void*> of_B_;
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
