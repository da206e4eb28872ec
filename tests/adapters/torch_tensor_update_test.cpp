// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::LoraProParamState;
using lorapro::torch_adapter::detail::current_value;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::TensorBatch;
using lorapro::torch_adapter::detail::TensorUpdate;
using support::deviation;
using support::leaf;
using torch::Tensor;

TEST_CASE("a master counts where it rounds to the parameter", "[torch_tensor_update]") {
  const Tensor parameter = torch::tensor({1.0F, 2.0F}).to(torch::kBFloat16);
  const Tensor master = torch::tensor({1.0009765625F, 2.5F});
  CHECK(torch::equal(current_value(parameter, master, torch::kFloat),
                     torch::tensor({1.0009765625F, 2.0F})));
  CHECK(torch::equal(current_value(parameter, {}, torch::kFloat), torch::tensor({1.0F, 2.0F})));
}

TEST_CASE("gradients are clipped, taken into Adam's moments, and descended along",
          "[torch_tensor_update]") {
  const torch::NoGradGuard no_grad;
  Item item{leaf({3}, torch::kDouble), {}, 1.0, "parameter 0"};
  const Tensor before = item.A.detach().clone(),
               g = torch::tensor({1.0, -2.0, 4.0}, torch::kDouble);
  item.A.mutable_grad() = g;
  LoraProParamState state;
  TensorBatch batch;
  batch.items = {&item};
  batch.states = {&state};
  (void)batch.read();
  lorapro::OptimizerConfig config;
  config.beta1 = 0.5;
  config.beta2 = 0.75;
  config.eps = 1e-30;
  config.group.weight_decay = 2;
  const TensorUpdate update{batch, config, 0.5};
  CHECK(update.step() == 1);
  CHECK(torch::equal(update.gradients().A[0], g * 0.5));
  // The first direction of Adam is the sign.
  const Tensor direction = update.adam(update.gradients().A);
  CHECK(deviation(direction[0], g.sign()) < 1e-14);
  CHECK(torch::equal(state.tensor("exp_avg"), g * 0.25));
  CHECK(torch::equal(state.tensor("exp_avg_sq"), g * g * 0.0625));
  update.descend(&Item::A, "", direction, 0.125);
  CHECK(deviation(item.A, before * 0.75 - g.sign() * 0.125) < 1e-14);
  CHECK(!state.tensor("master").defined());
}

}  // namespace
