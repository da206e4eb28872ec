// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>

#include <tuple>        // std::tuple, std::get
#include <type_traits>  // std::is_same_v

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What LowRankProduct leaves to the library lorapro::compiled, whose target defines
/// LORAPRO_COMPILED: the products of every class of weights of this library. Without it nothing.

template <typename T>
class BaseWeight;
class Int8Weight;
class Nf4Weight;
struct Dropout;

namespace detail {

template <typename Scalar>
class LowRankWork;

/// LowRankWork's forward_base and backward_base.
template <typename Scalar, typename Weight>
struct BaseProducts {
  using Product = void (*)(LowRankWork<Scalar>&, const MatrixView<const Scalar>&, const Weight&,
                           const MatrixView<Scalar>&);
  Product forward, backward;
};

/// LowRankWork's verbs of the adapter.
template <typename Scalar>
struct AdapterProducts {
  using Batch = MatrixView<const Scalar>;
  void (*forward)(LowRankWork<Scalar>&, const Batch& x, const LoraView<Scalar>&, const Dropout&,
                  const MatrixView<Scalar>& y);
  void (*backward)(LowRankWork<Scalar>&, const Batch& x, const Batch& grad_y,
                   const LoraView<Scalar>&, const Dropout&);
  void (*backward_to_input)(LowRankWork<Scalar>&, const Batch& x, const Batch& grad_y,
                            const LoraView<Scalar>&, const Dropout&,
                            const MatrixView<Scalar>& grad_x);
};

/// All products of layers in Scalar.
template <typename Scalar>
struct CompiledProducts {
  std::tuple<BaseProducts<Scalar, BaseWeight<Scalar>>, BaseProducts<Scalar, BaseWeight<bfloat16>>,
             BaseProducts<Scalar, BaseWeight<half>>, BaseProducts<Scalar, Int8Weight>,
             BaseProducts<Scalar, Nf4Weight>>
      base;
  AdapterProducts<Scalar> adapter;
};

/// Of the instruction set of this machine: defined in the library.
template <typename Scalar>
const CompiledProducts<Scalar>& compiled_products();
#ifdef LORAPRO_COMPILED
inline constexpr bool kCompiledProducts = true;
template <>
const CompiledProducts<float>& compiled_products<float>();
template <>
const CompiledProducts<double>& compiled_products<double>();
#else
inline constexpr bool kCompiledProducts = false;
#endif

template <typename Scalar, typename Weight>
inline constexpr bool is_compiled_weight = kCompiledProducts &&
                                           (std::is_same_v<Weight, BaseWeight<Scalar>> ||
                                            std::is_same_v<Weight, BaseWeight<bfloat16>> ||
                                            std::is_same_v<Weight, BaseWeight<half>> ||
                                            std::is_same_v<Weight, Int8Weight> ||
                                            std::is_same_v<Weight, Nf4Weight>);

template <typename Scalar, typename Weight>
const BaseProducts<Scalar, Weight>& compiled_base_products() {
  return std::get<BaseProducts<Scalar, Weight>>(compiled_products<Scalar>().base);
}

}  // namespace detail

LORAPRO_NAMESPACE_END
