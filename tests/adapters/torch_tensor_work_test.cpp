// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::Side;
using lorapro::torch_adapter::LoraProParamState;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::TensorWork;
using support::deviation;
using support::leaf;
using torch::Tensor;

Item pair_with_gradients(torch::ScalarType type) {
  torch::manual_seed(85);
  Item item{leaf({2, 6}, type), leaf({5, 2}, type), 2.0, "pair 0"};
  item.A.mutable_grad() = torch::randn({2, 6}).to(type);
  item.B.mutable_grad() = torch::randn({5, 2}).to(type);
  return item;
}

TEST_CASE("the norms of a pair are those of its gradients and of E", "[torch_tensor_work]") {
  const Item item = pair_with_gradients(torch::kDouble);
  const lorapro::OptimizerConfig config;
  LoraProParamState state;
  TensorWork work(item, true);
  CHECK(work.projected);
  CHECK(work.read().item<bool>());
  work.project_as(config, state);
  CHECK(work.solve().item<bool>());
  const Tensor raw = item.A.grad().square().sum() + item.B.grad().square().sum();
  CHECK(deviation(work.raw_norm, raw) < 1e-14);
  const Tensor E =
      (item.B.mm(work.adjusted.A) + work.adjusted.B.mm(item.A)).detach() * item.scaling;
  CHECK(deviation(work.norm, E.square().sum()) < 1e-12);
  // Of a rule that projects nothing the gradients are all there is.
  TensorWork plain(item, false);
  CHECK(plain.read().item<bool>());
  CHECK(plain.solve().item<bool>());
  CHECK(plain.pair == nullptr);
  CHECK(deviation(plain.norm, raw) < 1e-14);
}

TEST_CASE("the first step decides which factor is free", "[torch_tensor_work]") {
  Item item = pair_with_gradients(torch::kFloat);
  const lorapro::OptimizerConfig config;
  {
    const torch::NoGradGuard no_grad;
    item.A.zero_();
  }
  LoraProParamState state;
  TensorWork first(item, true);
  (void)first.read();
  first.project_as(config, state);
  CHECK(state.free_factor() == 1);
  CHECK(first.projection.free_factor == Side::A);
  // Afterwards it is what the state says.
  state.step(1);
  state.free_factor(0);
  TensorWork second(item, true);
  (void)second.read();
  second.project_as(config, state);
  CHECK(second.projection.free_factor == Side::B);
}

TEST_CASE("numbers that are not finite or do not fit are found", "[torch_tensor_work]") {
  Item item = pair_with_gradients(torch::kFloat);
  item.A.mutable_grad() = torch::full({2, 6}, 3e38F);
  TensorWork large(item, false);
  CHECK(large.read().item<bool>());
  CHECK(!large.solve().item<bool>());
  item.A.mutable_grad()[1][3] = NAN;
  TensorWork bad(item, false);
  CHECK(!bad.read().item<bool>());
}

}  // namespace
