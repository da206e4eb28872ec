// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

#include <torch/types.h>  // torch::Tensor, torch::stack

#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// Whether tensors of one shape and type stand one after another in one piece of memory, as parts of
/// a stack do.
inline bool stand_together(const std::vector<torch::Tensor>& tensors) {
  const torch::Tensor& first = tensors.front();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto here = first.storage_offset() + static_cast<std::int64_t>(i) * first.numel();
    if (!tensors[i].is_contiguous() || !tensors[i].is_alias_of(first) ||
        tensors[i].storage_offset() != here)
      return false;
  }
  return true;
}

/// k tensors of one shape, type and device as one, (k, ...): their own memory where they stand
/// together already, as what part_of gave does, else a copy.
/// \pre Not empty.
inline torch::Tensor stacked(const std::vector<torch::Tensor>& tensors) {
  if (!stand_together(tensors)) return torch::stack(tensors);
  const torch::Tensor& first = tensors.front();
  std::vector<std::int64_t> sizes = first.sizes().vec(), strides = first.strides().vec();
  sizes.insert(sizes.begin(), static_cast<std::int64_t>(tensors.size()));
  strides.insert(strides.begin(), first.numel());
  return first.as_strided(sizes, strides, first.storage_offset());
}

/// The tensor of number i of a stack, in the stack's memory.
inline torch::Tensor part_of(const torch::Tensor& stack, std::size_t i) {
  return stack.select(0, static_cast<std::int64_t>(i));
}

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
