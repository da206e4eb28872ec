// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>

#include <type_traits>  // std::remove_pointer_t

LORAPRO_NAMESPACE_BEGIN

/// \file
/// Work on the elements of factors, of any storage type and strides.

namespace detail {

/// Calls f(offset in a, offset in b) for every element of two views of one shape, in the order of
/// a's memory.
template <typename F>
void for_each_element(const FactorView& a, const FactorView& b, const F& f) {
  const bool rank_inside = a.rank_stride < a.length_stride;
  const Index outer = rank_inside ? a.length : a.rank, inner = rank_inside ? a.rank : a.length;
  const auto outer_stride = [&](const FactorView& v) {
    return rank_inside ? v.length_stride : v.rank_stride;
  };
  const auto inner_stride = [&](const FactorView& v) {
    return rank_inside ? v.rank_stride : v.length_stride;
  };
  for (Index i = 0; i < outer; ++i)
    for (Index k = 0; k < inner; ++k)
      f(i * outer_stride(a) + k * inner_stride(a), i * outer_stride(b) + k * inner_stride(b));
}

/// Copies the model into its master wherever the master does not round to it.
template <typename Scalar>
void follow_model(const FactorView& model, const FactorView& master) {
  visit_storage_type(model.type, [&](auto zero) {
    using T = decltype(zero);
    for_each_element(model, master, [&](Index from, Index to) {
      const T value = static_cast<const T*>(model.data)[from];
      Scalar& copy = static_cast<Scalar*>(master.data)[to];
      if (!(static_cast<T>(copy) == value)) copy = static_cast<Scalar>(value);
    });
  });
}

inline bool is_zero(const FactorView& factor) {
  bool zero = true;
  visit_storage_type(factor.type, [&](auto none) {
    using T = decltype(none);
    for (Index i = 0; zero && i < factor.rank; ++i)
      for (Index j = 0; zero && j < factor.length; ++j)
        zero = static_cast<const T*>(
                   factor.data)[i * factor.rank_stride + j * factor.length_stride] == none;
  });
  return zero;
}

inline void set_zero(const FactorView& factor) {
  visit_storage_type(factor.type, [&](auto zero) {
    using T = decltype(zero);
    for_each_element(factor, factor,
                     [&](Index at, Index) { static_cast<T*>(factor.data)[at] = T(0); });
  });
}

/// W0 *= factor, for merged decay; W0 is float or double.
inline void scale_base(void* base_weight, StorageType type, Index size, double factor) {
  const auto scale = [&](auto* weight) {
    using T = std::remove_pointer_t<decltype(weight)>;
    for (Index i = 0; i < size; ++i) weight[i] *= static_cast<T>(factor);
  };
  if (type == StorageType::f32) scale(static_cast<float*>(base_weight));
  if (type == StorageType::f64) scale(static_cast<double*>(base_weight));
}

}  // namespace detail

LORAPRO_NAMESPACE_END
