// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/dtype.hpp>
#include <lorapro/io/error.hpp>
#include <lorapro/io/factor_rounding.hpp>
#include <lorapro/layer/dora_layer.hpp>
#include <lorapro/layer/lora_embedding.hpp>

#include <algorithm>   // std::sort
#include <cmath>       // std::sqrt
#include <functional>  // std::function
#include <vector>      // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// One pair of an adapter, whatever file or layer it comes from: W += scaling() lora_B lora_A, of
/// which DoRA then gives each row the length that `magnitude` has for it. Factors are made when they
/// are asked for, so that a list of modules takes no memory of its own.
struct AdapterModule {
  std::string path;  ///< as the base model calls it: model.layers.0.self_attn.q_proj
  Index out_features = 0;
  Index in_features = 0;
  Index rank = 0;
  double lora_alpha = 0;
  bool use_rslora = false;
  std::function<RowMatrix<float>()> lora_A;               ///< (rank, in_features)
  std::function<RowMatrix<float>()> lora_B;               ///< (out_features, rank)
  std::function<RowMatrix<float>()> magnitude = nullptr;  ///< (1, out_features); none: LoRA
  /// Of a table of embeddings, which is kept as W^T: in_features rows of out_features each.
  bool is_embedding = false;

  bool is_dora() const { return magnitude != nullptr; }

  /// s: alpha / rank, or alpha / sqrt(rank).
  double scaling() const {
    const auto size = static_cast<double>(rank);
    return use_rslora ? lora_alpha / std::sqrt(size) : lora_alpha / size;
  }
};

using AdapterModules = std::vector<AdapterModule>;

namespace detail {

/// The pair of a layer, as a linear one.
template <typename Layer>
AdapterModule module_of(std::string path, const Layer& layer) {
  const LoraConfig& config = layer.config();
  AdapterModule out{std::move(path),
                    layer.out_features(),
                    layer.in_features(),
                    layer.rank(),
                    config.lora_alpha,
                    config.use_rslora,
                    {},
                    {}};
  if constexpr (std::is_same_v<typename Layer::Matrix::Scalar, double>) {
    const auto factors = [&layer, name = out.path] {
      FloatFactors found = float_factors(layer.lora_A(), layer.lora_B());
      if (!found.fits)
        throw ConfigError(name + ": expected finite factors whose product float can hold");
      return found;
    };
    out.lora_A = [factors] { return factors().A; };
    out.lora_B = [factors] { return factors().B; };
  } else {
    out.lora_A = [&layer] { return RowMatrix<float>(layer.lora_A()); };
    out.lora_B = [&layer] { return RowMatrix<float>(layer.lora_B()); };
  }
  return out;
}

/// \throws ConfigError unless each of many modules is a plain pair of a linear layer.
/// \param holder  what takes no others.
inline void check_plain(const AdapterModules& modules, const std::string& holder) {
  for (const AdapterModule& module : modules) {
    if (module.is_dora())
      throw ConfigError(module.path + ": expected LoRA without a magnitude for " + holder +
                        ", got DoRA; merge it into the base first");
    if (module.is_embedding)
      throw ConfigError(module.path + ": expected the pair of a linear layer for " + holder +
                        ", got that of an embedding");
  }
}

}  // namespace detail

/// The pair of a layer, which has to outlive the module. Double factors are rounded to float,
/// powers of two between them where they would not fit (float_factors); lora_A and lora_B throw
/// ConfigError where that does not help.
template <typename Scalar, typename Base>
AdapterModule adapter_module(std::string path, const LoraLayer<Scalar, Base>& layer) {
  return detail::module_of(std::move(path), layer);
}
/// The same, with the magnitude.
template <typename Scalar, typename Base>
AdapterModule adapter_module(std::string path, const DoraLayer<Scalar, Base>& layer) {
  AdapterModule out = detail::module_of(std::move(path), layer);
  out.magnitude = [&layer] { return RowMatrix<float>(layer.magnitude().template cast<float>()); };
  return out;
}
template <typename Scalar, typename Base>
AdapterModule adapter_module(std::string path, const LoraEmbedding<Scalar, Base>& layer) {
  AdapterModule out = detail::module_of(std::move(path), layer);
  out.is_embedding = true;
  return out;
}

/// The module to use on the untouched base model where training began from W0 - s B0 A0 (PiSSA and
/// its kin): s B A - s B0 A0 = s [B, -B0] [A; A0], of twice the rank, at the same scaling. A
/// magnitude is that of W0 + s B A with either, and stays.
/// \param trained, initial  of one path and equal shapes, ranks and scalings.
/// \throws ConfigError.
/// \ref PEFT, LoraModel.subtract_mutated_init.
inline AdapterModule difference_module(const AdapterModule& trained, const AdapterModule& initial) {
  if (trained.path != initial.path || trained.out_features != initial.out_features ||
      trained.in_features != initial.in_features || trained.rank != initial.rank ||
      trained.scaling() != initial.scaling())
    throw ConfigError("initial: expected module " + detail::quoted_name(trained.path) +
                      " with the shapes, rank and scaling of the trained one, got " +
                      detail::quoted_name(initial.path) + " with others");
  AdapterModule out = trained;
  out.rank = 2 * trained.rank;
  out.lora_alpha = trained.lora_alpha * (trained.use_rslora ? std::sqrt(2.0) : 2.0);
  out.lora_A = [trained, initial] {
    RowMatrix<float> A(2 * trained.rank, trained.in_features);
    A << trained.lora_A(), initial.lora_A();
    return A;
  };
  out.lora_B = [trained, initial] {
    RowMatrix<float> B(trained.out_features, 2 * trained.rank);
    B << trained.lora_B(), -initial.lora_B();
    return B;
  };
  return out;
}

/// Whether a path comes before another, numbers in them compared by value: layers.2 < layers.10.
inline bool path_before(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::size_t first_a = i, first_b = j;
      while (i < a.size() && is_digit(a[i])) ++i;
      while (j < b.size() && is_digit(b[j])) ++j;
      const std::size_t length_a = i - first_a, length_b = j - first_b;
      if (length_a != length_b) return length_a < length_b;
      const int order = a.compare(first_a, length_a, b.substr(first_b, length_b));
      if (order != 0) return order < 0;
    } else if (a[i] != b[j]) {
      return a[i] < b[j];
    } else {
      ++i, ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

inline void sort_by_path(AdapterModules& modules) {
  std::sort(modules.begin(), modules.end(),
            [](const auto& a, const auto& b) { return path_before(a.path, b.path); });
}

namespace detail {

/// Whether each number is finite, also once it is rounded to `type`.
inline bool finite_in(StorageType type, const RowMatrix<float>& values) {
  return visit_storage_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (Index k = 0; k < values.size(); ++k)
      if (!is_finite(static_cast<double>(static_cast<T>(values.data()[k])))) return false;
    return true;
  });
}

/// \throws ConfigError unless the factors of a module can be written in `type`.
inline void check_writable(const AdapterModule& module, const char* factor,
                           const RowMatrix<float>& values, StorageType type, Index rows,
                           Index cols) {
  checks::shape((module.path + "." + factor).c_str(), values.rows(), values.cols(), rows, cols);
  if (!finite_in(type, values))
    throw ConfigError(module.path + "." + factor + ": expected numbers that are finite in " +
                      std::string(info(dtype_of(type)).name) + ", got one that is not");
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
