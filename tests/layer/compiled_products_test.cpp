// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/compiled_products.hpp>

#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/low_rank_product.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include <array>  // std::array

#include "support/random.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::Dropout;
using lorapro::Index;
using lorapro::make_view;
using lorapro::RowMatrix;

template <typename Weight, typename Scalar>
void check_same_products(support::Random& random) {
  constexpr Index kBatch = 30, kOut = 70, kIn = 90, kRank = 3;
  using Matrix = RowMatrix<Scalar>;
  const auto drawn = [&](Index rows, Index cols) -> Matrix {
    return reference::rounded<Scalar>(random.matrix(rows, cols));
  };
  const Weight weight = Weight::quantize(drawn(kOut, kIn));
  const Matrix x = drawn(kBatch, kIn), dy = drawn(kBatch, kOut);
  Matrix A = drawn(kRank, kIn), B = drawn(kOut, kRank);
  const auto run = [&](auto& products) {
    Matrix y(kBatch, kOut), dx(kBatch, kIn), grad_A = Matrix::Ones(kRank, kIn),
                                             grad_B = Matrix::Ones(kOut, kRank);
    const lorapro::LoraView<Scalar> lora{make_view(A), make_view(B), make_view(grad_A),
                                         make_view(grad_B), 1.25};
    const Dropout dropout{0.3, 7, 2};
    products.forward_base(make_view(x), weight, make_view(y));
    products.forward_adapter(make_view(x), lora, dropout, make_view(y));
    products.backward_base(make_view(dy), weight, make_view(dx));
    products.backward_adapter(make_view(x), make_view(dy), lora, dropout, make_view(dx));
    products.backward_adapter(make_view(x), make_view(dy), lora, dropout);
    return std::array<Matrix, 4>{y, dx, grad_A, grad_B};
  };
  lorapro::LowRankProduct<Scalar> products;
  lorapro::detail::LowRankWork<Scalar> work;
  CHECK(run(products) == run(work));
}

TEMPLATE_TEST_CASE("products have the same bits wherever they are compiled", "[compiled_products]",
                   float, double) {
  LORAPRO_TEST_RANDOM(random, 2613);
  check_same_products<BaseWeight<TestType>, TestType>(random);
  check_same_products<BaseWeight<lorapro::bfloat16>, TestType>(random);
  check_same_products<BaseWeight<lorapro::half>, TestType>(random);
  check_same_products<lorapro::Int8Weight, TestType>(random);
  check_same_products<lorapro::Nf4Weight, TestType>(random);
}

TEST_CASE("a class of weights of one's own is compiled where it is used", "[compiled_products]") {
  struct OwnWeight {};
  using lorapro::detail::is_compiled_weight;
  CHECK_FALSE(is_compiled_weight<float, OwnWeight>);
  CHECK(is_compiled_weight<float, lorapro::Nf4Weight> == lorapro::detail::kCompiledProducts);
  CHECK_FALSE(is_compiled_weight<float, BaseWeight<double>>);
}

}  // namespace
