// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// libtorch beside Catch: both have a macro CHECK, and libtorch's are not used here. Include this
/// before anything that includes Catch. The rules are compiled in torch_engines_float_test.cpp
/// and torch_engines_double_test.cpp alone.

#define LORAPRO_TORCH_EXTERN_ENGINES
#include <lorapro/adapters/torch.hpp>
#include <torch/torch.h>

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE

#include <sstream>  // std::stringstream
#include <vector>   // std::vector

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace support {

/// max |a - b| / max |b|; infinite where the shapes differ or a number is not finite.
inline double deviation(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  const auto error = (a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max().item<double>();
  const auto size = b.to(torch::kDouble).abs().max().item<double>();
  return std::isfinite(error) ? error / std::max(size, 1e-30) : INFINITY;
}

/// A leaf of normal numbers.
inline torch::Tensor leaf(torch::IntArrayRef shape, torch::ScalarType type, double deviation = 1) {
  return (torch::randn(shape, torch::kDouble) * deviation).to(type).set_requires_grad(true);
}

/// Writes normal numbers.
inline void randomize(const torch::Tensor& tensor) {
  const torch::NoGradGuard no_grad;
  tensor.normal_();
}

inline lorapro::LoraConfig config_of(lorapro::Index rank, double alpha = 6) {
  lorapro::LoraConfig config;
  config.rank = rank;
  config.lora_alpha = alpha;
  config.seed = 3;
  return config;
}

}  // namespace support
