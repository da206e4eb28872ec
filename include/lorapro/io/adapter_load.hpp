// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_module.hpp>

#include <map>  // std::map
#include <set>  // std::set

LORAPRO_NAMESPACE_BEGIN
namespace io {

namespace detail {

template <typename Layer>
inline constexpr bool is_dora_layer_v = false;
template <typename Scalar, typename Base>
inline constexpr bool is_dora_layer_v<DoraLayer<Scalar, Base>> = true;

template <typename Layer>
inline constexpr bool is_embedding_layer_v = false;
template <typename Scalar, typename Base>
inline constexpr bool is_embedding_layer_v<LoraEmbedding<Scalar, Base>> = true;

}  // namespace detail

/// Which modules of an adapter went into which layers, by path.
struct AdapterLoadReport {
  std::vector<std::string> matched;
  std::vector<std::string> missing;    ///< layers for which the adapter has nothing; unchanged
  std::vector<std::string> left_over;  ///< modules for which there is no layer

  bool complete() const { return missing.empty() && left_over.empty(); }
};

/// Copies A and B of an adapter, and magnitudes, into layers of the same paths. Everything that matches is checked,
/// and read, before the first layer changes; what does not match is reported, not refused.
/// \param layers  path to layer (a pointer), each unmerged; rank and scaling are the layer's own,
///                and have to be those of its module, to a relative 1e-6.
/// \cost memory: the factors of all that matches, in float.
/// \throws ConfigError (rank, scaling or kind differ), ShapeError, StateError (merged), FormatError,
/// FileError (what the modules throw); no layer is changed then.
template <typename Layer>
[[nodiscard]] AdapterLoadReport load_adapter(const AdapterModules& modules,
                                             const std::map<std::string, Layer*>& layers) {
  struct Pair {
    Layer* layer;
    RowMatrix<float> A, B, magnitude;
  };
  AdapterLoadReport report;
  std::vector<Pair> pairs;
  for (const AdapterModule& module : modules) {
    const auto found = layers.find(module.path);
    if (found == layers.end()) {
      report.left_over.push_back(module.path);
      continue;
    }
    Layer& layer = *found->second;
    const std::string& path = module.path;
    if (layer.merged())
      throw StateError(path + ": expected an unmerged layer to load into, got a merged one");
    if (module.is_dora() != detail::is_dora_layer_v<Layer>)
      throw ConfigError(path + (module.is_dora()
                                    ? ": expected no magnitude, as the layer has none, got DoRA"
                                    : ": expected a magnitude for a DoraLayer, got LoRA"));
    if (module.is_embedding != detail::is_embedding_layer_v<Layer>)
      throw ConfigError(path + (module.is_embedding
                                    ? ": expected the pair of a linear layer, got an embedding's"
                                    : ": expected the pair of an embedding, got a linear layer's"));
    checks::shape(path.c_str(), module.out_features, module.in_features, layer.out_features(),
                  layer.in_features());
    if (module.rank != layer.rank())
      throw ConfigError(path + ": expected rank " + std::to_string(layer.rank()) +
                        ", as the layer has, got " + std::to_string(module.rank));
    const double scaling = module.scaling();
    if (!(std::abs(scaling - layer.scaling()) <= 1e-6 * std::abs(layer.scaling())))
      throw ConfigError(path + ": expected scaling " + std::to_string(layer.scaling()) +
                        ", as the layer has, got " + std::to_string(scaling));
    report.matched.push_back(path);
    pairs.push_back({&layer, module.lora_A(), module.lora_B(), {}});
    if (module.is_dora()) pairs.back().magnitude = module.magnitude();
  }
  const std::set<std::string> matched(report.matched.begin(), report.matched.end());
  for (const auto& entry : layers)
    if (matched.count(entry.first) == 0) report.missing.push_back(entry.first);
  for (const Pair& pair : pairs) {
    auto A = pair.layer->lora_A();
    auto B = pair.layer->lora_B();
    using Scalar = typename decltype(A)::Scalar;
    A = pair.A.template cast<Scalar>();
    B = pair.B.template cast<Scalar>();
    if constexpr (detail::is_dora_layer_v<Layer>)
      pair.layer->magnitude() = pair.magnitude.template cast<Scalar>();
  }
  return report;
}

}  // namespace io
LORAPRO_NAMESPACE_END
