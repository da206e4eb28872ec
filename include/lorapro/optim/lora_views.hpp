// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>

#include <iterator>  // std::begin
#include <string>    // std::to_string
#include <utility>   // std::declval
#include <vector>    // std::vector

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What an optimizer attaches of a layer. A class becomes one that can be attached by a function in
/// its own namespace, which argument-dependent lookup finds: it returns a view of the layer's pair,
/// or, where it has several, any range of views, always in the same order.
///
/// \code
/// namespace mine {
/// lorapro::LoraView<float> lora_views(Linear& layer);
/// std::array<lorapro::LoraView<float>, 3> lora_views(Attention& layer);
/// }
/// optimizer.attach(linear);     // a PairId
/// optimizer.attach(attention);  // a std::vector<PairId>
/// \endcode
///
/// It may throw what attach then throws, as that of LoraLayer does for a merged layer.

namespace detail {

template <typename T, typename Base>
std::true_type is_lora_view(const LoraView<T, Base>*);
std::false_type is_lora_view(const void*);
template <typename T>
std::true_type is_dense_view(const DenseView<T>*);
std::false_type is_dense_view(const void*);

template <typename T>
using Pointer = std::add_pointer_t<std::remove_reference_t<T>>;

template <typename T>
inline constexpr bool is_lora_view_v = decltype(is_lora_view(std::declval<Pointer<T>>()))::value;

/// Views have overloads of attach of their own.
template <typename T>
using IfLayer = std::enable_if_t<
    !is_lora_view_v<T> && !decltype(is_dense_view(std::declval<Pointer<T>>()))::value, int>;

/// How many pairs the result of lora_views has, as far as its type says.
enum class ViewCount { none, one, range };

/// Of whatever else lora_views returns.
template <typename Views, typename = void>
inline constexpr ViewCount kCountOfViews = is_lora_view_v<Views> ? ViewCount::one : ViewCount::none;
template <typename Views>
inline constexpr ViewCount kCountOfViews<
    Views, std::enable_if_t<is_lora_view_v<decltype(*std::begin(std::declval<Views&>()))>>> =
    ViewCount::range;

template <typename Layer, typename = void>
inline constexpr ViewCount kViewCount = ViewCount::none;
template <typename Layer>
inline constexpr ViewCount
    kViewCount<Layer, std::void_t<decltype(lora_views(std::declval<Layer&>()))>> =
        kCountOfViews<decltype(lora_views(std::declval<Layer&>()))>;

/// attach(view, name) of the layer's pair, or of each of its pairs with the names <name>.0,
/// <name>.1..., or all empty.
/// \param detach  undoes one of several where a later one throws.
/// \return what attach does; a std::vector of that for a range of views.
template <typename Layer, typename Attach, typename Detach>
auto attach_layer(Layer& layer, const std::string& name, const Attach& attach,
                  const Detach& detach) {
  static_assert(kViewCount<Layer> != ViewCount::none,
                "attach: expected a LoraView, a DenseView or a layer for which lora_views(layer) "
                "returns a LoraView or a range of them");
  if constexpr (kViewCount<Layer> == ViewCount::one) {
    return attach(lora_views(layer), name);
  } else if constexpr (kViewCount<Layer> == ViewCount::range) {
    auto&& views = lora_views(layer);
    std::vector<decltype(attach(*std::begin(views), name))> attached;
    try {
      for (const auto& view : views)
        attached.push_back(
            attach(view, name.empty() ? name : name + "." + std::to_string(attached.size())));
    } catch (...) {
      for (const auto& one : attached) detach(one);
      throw;
    }
    return attached;
  }
}

}  // namespace detail

/// Whether an optimizer can attach a layer of this type.
template <typename Layer>
inline constexpr bool has_lora_views_v = detail::kViewCount<Layer> != detail::ViewCount::none;

LORAPRO_NAMESPACE_END
