// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/finite.hpp>
#include <lorapro/core/numeric.hpp>

#include <cmath>    // std::sqrt
#include <cstdint>  // std::uint64_t

LORAPRO_NAMESPACE_BEGIN

/// How A and B start. The names and distributions are PEFT's.
enum class LoraInit {
  kaiming_uniform,  ///< A uniform in +-1 / sqrt(in_features), B = 0
  gaussian,         ///< A normal with deviation 1 / rank, B = 0
  orthogonal        ///< both nonzero, B A = 0 exactly (to rounding); even rank
};

/// Options of a LoRA layer.
struct LoraConfig {
  Index rank = 8;            ///< r >= 1; larger than the sides of W is legal
  double lora_alpha = 16.0;  ///< alpha; finite, not 0
  bool use_rslora = false;   ///< scaling alpha / sqrt(rank) instead of alpha / rank
  LoraInit init = LoraInit::kaiming_uniform;
  /// Probability with which an element of the adapter's input is dropped in training; in [0, 1).
  double lora_dropout = 0.0;
  std::uint64_t seed = 0;  ///< of the initialisation and of dropout

  /// s: alpha / rank, or alpha / sqrt(rank). \ref arXiv:2106.09685v2, arXiv:2312.03732v1.
  double scaling() const {
    const auto r = static_cast<double>(rank);
    return use_rslora ? lora_alpha / std::sqrt(r) : lora_alpha / r;
  }

  /// \throws ConfigError that names the field, what was expected and what came.
  void validate() const {
    checks::config(rank >= 1, "rank", "a number >= 1", rank);
    checks::config(is_finite(lora_alpha) && lora_alpha != 0, "lora_alpha",
                   "a finite number other than 0", lora_alpha);
    checks::config(is_finite(lora_dropout) && lora_dropout >= 0 && lora_dropout < 1, "lora_dropout",
                   "a number in [0, 1)", lora_dropout);
    checks::config(init != LoraInit::orthogonal || rank % 2 == 0, "rank",
                   "an even number for orthogonal initialisation", rank);
  }
};

LORAPRO_NAMESPACE_END
