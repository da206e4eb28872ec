// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/numeric.hpp>  // Index
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace examples::llm {

using lorapro::Index;

/// How positions turn queries and keys: the pair of elements (i, i + d / 2) of a head of width d by
/// the angle position f_i.
struct RopeConfig {
  enum class Kind {
    standard,  ///< f_i = theta^(-2 i / d)
    linear,    ///< f_i / factor
    llama3,    ///< slow ones / factor, fast ones as they are, a ramp between
    dynamic    ///< as standard up to the length that the model was trained with
  };
  Kind kind = Kind::standard;
  double theta = 10000;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double original_positions = 8192;                  // llama3
  /// What each f_i is divided by besides; empty for 1 (GGUF files have llama3's factors so).
  std::vector<double> divisors;

  /// f_i, head_dim / 2 of them.
  std::vector<double> frequencies(Index head_dim) const;
};

/// From config.json, as it is written today (rope_parameters) and was (rope_theta, rope_scaling,
/// and in that `type` for `rope_type`).
/// \param name  of the file, for messages.
/// \throws lorapro::FormatError that names the key; of other kinds, the kind.
RopeConfig rope_from_json(const nlohmann::json& config, const std::string& name);

}  // namespace examples::llm
