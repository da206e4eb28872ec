// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/parameter.hpp>

#include <lorapro/lorapro.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::StorageType;
using lorapro::mpi::detail::parameter_of;

TEST_CASE("packed numbers are row-major whatever the strides", "[mpi]") {
  // Column-major A (2, 3) and B (2, 2), in memory with holes.
  float A[] = {1, 4, -1, 2, 5, -1, 3, 6, -1}, B[] = {7, 9, 8, 10};
  float grad_A[] = {1, 2, 3, 4, 5, 6}, grad_B[] = {1, 2, 3, 4};
  lorapro::LoraView<float> view{
      {A, 2, 3, 1, 3}, {B, 2, 2, 1, 2}, {grad_A, 2, 3, 3, 1}, {grad_B, 2, 2, 2, 1}};
  const auto parameter = parameter_of(view, "pair");
  CHECK(parameter.size() == 10);
  std::vector<float> values(10);
  parameter.pack_values(values.data());
  CHECK(values == std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  for (float& value : values) value *= 2;
  parameter.unpack_values(values.data());
  CHECK(std::vector<float>(A, A + 9) == std::vector<float>{2, 8, -1, 4, 10, -1, 6, 12, -1});
  CHECK(std::vector<float>(B, B + 4) == std::vector<float>{14, 18, 16, 20});
  std::vector<double> gradients(10);
  parameter.pack_gradients(StorageType::f64, gradients.data());
  CHECK(gradients == std::vector<double>{1, 2, 3, 4, 5, 6, 1, 2, 3, 4});
  gradients[5] = 0.5;
  gradients[6] = 0.25;
  parameter.unpack_gradients(StorageType::f64, gradients.data());
  CHECK(grad_A[5] == 0.5F);
  CHECK(grad_B[0] == 0.25F);
}

TEST_CASE("values keep their type, gradients are summed in another", "[mpi]") {
  PairBuffers<bfloat16> pair(5, 4, 2, 1.0, 3);
  pair.backpropagate(random_matrix(5, 4, 1));
  const auto parameter = parameter_of(pair.view(), "pair");
  std::vector<bfloat16> values(18);
  parameter.pack_values(values.data());
  CHECK(std::memcmp(values.data(), pair.A.data(), 16) == 0);
  CHECK(std::memcmp(values.data() + 8, pair.B.data(), 20) == 0);
  std::vector<float> sums(18);
  parameter.pack_gradients(StorageType::f32, sums.data());
  CHECK(sums[9] == static_cast<float>(pair.grad_B(0, 1)));
  sums[9] = 1.00390625F;  // between two bfloat16
  parameter.unpack_gradients(StorageType::f32, sums.data());
  CHECK(static_cast<float>(pair.grad_B(0, 1)) == 1.0F);
}

TEST_CASE("a dense parameter is packed as it is", "[mpi]") {
  RowMatrix<double> w(6, 7), g(6, 7), packed(6, 7);
  for (Index i = 0; i < 42; ++i) w.data()[i] = static_cast<double>(i);
  const auto parameter = parameter_of(lorapro::DenseView<double>{w.data(), g.data(), 42, 7}, "w");
  parameter.pack_values(packed.data());
  CHECK(packed == w);
  CHECK(parameter.rows == 6);
  CHECK(parameter.cols == 7);
}

TEST_CASE("a hash sees every element and no stride", "[mpi]") {
  PairBuffers<float> pair(5, 4, 2, 1.0, 3);
  const auto hash = [&] { return parameter_of(pair.view(), "pair").hash(true); };
  const auto original = hash();
  for (RowMatrix<float>* const matrix : {&pair.A, &pair.B})
    for (Index i = 0; i < matrix->size(); ++i) {
      const float value = matrix->data()[i];
      matrix->data()[i] = std::nextafter(value, 10.0F);
      CHECK(hash() != original);
      matrix->data()[i] = value;
    }
  CHECK(hash() == original);
  Eigen::MatrixXf A = pair.A, B = pair.B;  // column-major
  auto view = pair.view();
  view.lora_A = lorapro::make_view(A);
  view.lora_B = lorapro::make_view(B);
  CHECK(parameter_of(view, "pair").hash(true) == original);
  RowMatrix<float> base = RowMatrix<float>::Ones(5, 4);
  view.base_weight = base.data();
  const auto with_base = parameter_of(view, "pair").hash(true);
  CHECK(parameter_of(view, "pair").hash(false) == original);
  base(4, 3) = 2;
  CHECK(parameter_of(view, "pair").hash(true) != with_base);
}

}  // namespace
