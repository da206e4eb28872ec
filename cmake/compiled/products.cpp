// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// The products of layers in LORAPRO_COMPILED_SCALAR, for the instruction set that this file is compiled
// for: the function LORAPRO_COMPILED_TABLE.

#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/low_rank_product.hpp>
#include <lorapro/layer/nf4_weight.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace detail {

namespace {

using Scalar = LORAPRO_COMPILED_SCALAR;
using Work = LowRankWork<Scalar>;
using View = MatrixView<Scalar>;
using Batch = MatrixView<const Scalar>;
using Lora = LoraView<Scalar>;

template <typename Weight>
constexpr BaseProducts<Scalar, Weight> base_products() {
  return {[](Work& work, const Batch& x, const Weight& weight, const View& y) {
            work.forward_base(x, weight, y);
          },
          [](Work& work, const Batch& grad_y, const Weight& weight, const View& grad_x) {
            work.backward_base(grad_y, weight, grad_x);
          }};
}

}  // namespace

const CompiledProducts<Scalar>& LORAPRO_COMPILED_TABLE() {
  static const CompiledProducts<Scalar> products{
      {base_products<BaseWeight<Scalar>>(), base_products<BaseWeight<bfloat16>>(),
       base_products<BaseWeight<half>>(), base_products<Int8Weight>(), base_products<Nf4Weight>()},
      {[](Work& work, const Batch& x, const Lora& lora, const Dropout& dropout, const View& y) {
         work.forward_adapter(x, lora, dropout, y);
       },
       [](Work& work, const Batch& x, const Batch& grad_y, const Lora& lora,
          const Dropout& dropout) { work.backward_adapter(x, grad_y, lora, dropout); },
       [](Work& work, const Batch& x, const Batch& grad_y, const Lora& lora, const Dropout& dropout,
          const View& grad_x) { work.backward_adapter(x, grad_y, lora, dropout, grad_x); }}};
  return products;
}

}  // namespace detail
LORAPRO_NAMESPACE_END
