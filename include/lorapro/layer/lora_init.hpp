// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/core/view.hpp>
#include <lorapro/layer/lora_config.hpp>

#include <type_traits>  // std::is_invocable_v
#include <vector>       // std::vector

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Rows of a random orthogonal (size, size) matrix: modified Gram and Schmidt, twice, on normal
/// rows.
inline std::vector<double> random_orthogonal(Index size, std::uint64_t key) {
  std::vector<double> q(static_cast<std::size_t>(size * size));
  for (std::size_t k = 0; k < q.size(); ++k) q[k] = random_normal(key, k);
  const auto at = [&](Index i, Index j) -> double& {
    return q[static_cast<std::size_t>(i * size + j)];
  };
  for (Index i = 0; i < size; ++i) {
    for (int pass = 0; pass < 2; ++pass)
      for (Index k = 0; k < i; ++k) {
        double dot = 0;
        for (Index j = 0; j < size; ++j) dot += at(i, j) * at(k, j);
        for (Index j = 0; j < size; ++j) at(i, j) -= dot * at(k, j);
      }
    double norm = 0;
    for (Index j = 0; j < size; ++j) norm += at(i, j) * at(i, j);
    norm = std::sqrt(norm);
    for (Index j = 0; j < size; ++j) at(i, j) /= norm;
  }
  return q;
}

}  // namespace detail

/// What is to happen to W0 when an initialiser has filled A and B.
enum class BaseCorrection {
  none,
  subtract_adapter  ///< W0 -= s B A, so that the layer computes what it did before
};

/// Whether Init can start an adapter of Scalar over a W0 of type Weight: a callable
///
///     init(config, W0, lora_A, lora_B)
///
/// with a LoraConfig, the frozen weight, which it may read tile by tile (decode), and views of A
/// (rank, in_features) and B (out_features, rank), which are 0 and which it fills. It returns
/// nothing or a BaseCorrection. pissa_init.hpp and its neighbours are such.
template <typename Init, typename Scalar, typename Weight>
inline constexpr bool is_lora_initializer_v =
    std::is_invocable_v<Init, const LoraConfig&, const Weight&, const MatrixView<Scalar>&,
                        const MatrixView<Scalar>&>;

/// Fills A (rank, in_features) and B (out_features, rank) as `config.init` says; the same numbers
/// for the same seed, whatever the scalar.
/// \ref PEFT, LoraLayer.reset_lora_parameters and orthogonal_init.
template <typename T>
void initialize_lora(const LoraConfig& config, const MatrixView<T>& lora_A,
                     const MatrixView<T>& lora_B) {
  const Index rank = lora_A.rows, in = lora_A.cols, out = lora_B.rows;
  const std::uint64_t key_A = derive_key(config.seed, 1), key_B = derive_key(config.seed, 2);
  const auto element = [](Index i, Index j, Index cols) {
    return static_cast<std::uint64_t>(i * cols + j);
  };
  for (Index i = 0; i < out; ++i)
    for (Index k = 0; k < rank; ++k) lora_B(i, k) = T(0);
  switch (config.init) {
    case LoraInit::kaiming_uniform: {
      const double bound = 1.0 / std::sqrt(static_cast<double>(in));
      for (Index k = 0; k < rank; ++k)
        for (Index j = 0; j < in; ++j)
          lora_A(k, j) = static_cast<T>(bound * (2 * random_uniform(key_A, element(k, j, in)) - 1));
      break;
    }
    case LoraInit::gaussian:
      for (Index k = 0; k < rank; ++k)
        for (Index j = 0; j < in; ++j)
          lora_A(k, j) =
              static_cast<T>(random_normal(key_A, element(k, j, in)) / static_cast<double>(rank));
      break;
    case LoraInit::orthogonal: {
      // Even rows of an orthogonal matrix span A's rank space, odd ones B's: B A = 0.
      const std::vector<double> q = detail::random_orthogonal(rank, derive_key(config.seed, 3));
      const Index pairs = rank / 2;
      for (Index k = 0; k < rank; ++k) {
        const auto mix = [&](Index row, std::uint64_t key, Index position) {
          double sum = 0;
          for (Index p = 0; p < pairs; ++p)
            sum += random_normal(key, element(position, p, pairs)) *
                   q[static_cast<std::size_t>((2 * p + row) * rank + k)];
          return static_cast<T>(sum / 10);
        };
        for (Index j = 0; j < in; ++j) lora_A(k, j) = mix(0, key_A, j);
        for (Index i = 0; i < out; ++i) lora_B(i, k) = mix(1, key_B, i);
      }
      break;
    }
  }
}

/// The initialiser of `config.init`, which does not look at W0.
struct ConfiguredInit {
  template <typename Weight, typename Scalar>
  void operator()(const LoraConfig& config, const Weight&, const MatrixView<Scalar>& lora_A,
                  const MatrixView<Scalar>& lora_B) const {
    initialize_lora(config, lora_A, lora_B);
  }
};

namespace detail {

template <typename Init, typename Weight, typename Scalar>
BaseCorrection run_initializer(Init& init, const LoraConfig& config, const Weight& weight,
                               const MatrixView<Scalar>& lora_A, const MatrixView<Scalar>& lora_B) {
  static_assert(is_lora_initializer_v<Init&, Scalar, Weight>,
                "LoraLayer: an initialiser is called as init(config, base_weight, lora_A, lora_B)");
  if constexpr (std::is_void_v<decltype(init(config, weight, lora_A, lora_B))>) {
    init(config, weight, lora_A, lora_B);
    return BaseCorrection::none;
  } else {
    return init(config, weight, lora_A, lora_B);
  }
}

}  // namespace detail

LORAPRO_NAMESPACE_END
