// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using lorapro::torch_adapter::StepPath;
using support::deviation;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProOptions;
using Group = torch::optim::OptimizerParamGroup;

struct Start {
  double scaling = 2;
  double of_A = 1;
  bool swapped = false;   ///< A starts from zero in place of B
  bool reloaded = false;  ///< the optimizer goes through an archive on the way
};

/// s B A after twelve steps towards a matrix.
Tensor trained(const Options& options, const Start& start) {
  torch::manual_seed(41);
  Tensor A = torch::randn({3, 11}, torch::kDouble), B = torch::zeros({8, 3}, torch::kDouble);
  if (start.swapped) {
    B = torch::randn({8, 3}, torch::kDouble);
    A.zero_();
  }
  A = (A * start.of_A).set_requires_grad(true);
  B = B.set_requires_grad(true);
  const Tensor target = torch::randn({8, 11}, torch::kDouble);
  const auto make = [&] {
    return std::make_unique<LoraProOptimizer>(std::vector<Group>{Group(std::vector<Tensor>{A, B})},
                                              std::vector<LoraPair>{{A, B, start.scaling}},
                                              options);
  };
  auto optimizer = make();
  for (int step = 0; step < 12; ++step) {
    if (start.reloaded && step == 4) {
      std::stringstream file;
      torch::save(*optimizer, file);
      optimizer = make();
      torch::load(*optimizer, file);
    }
    optimizer->zero_grad();
    (B.mm(A) * start.scaling - target).square().sum().backward();
    optimizer->step();
    REQUIRE(optimizer->report().updated == 1);
  }
  return (B.mm(A) * start.scaling).detach();
}

TEST_CASE("on both paths W sees neither alpha nor the scale of A", "[torch_scale_free]") {
  const auto rule = GENERATE(as<std::string>{}, "lora_pro_full", "lora_pro_spectral");
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  const bool swapped = GENERATE(false, true);
  CAPTURE(rule, static_cast<int>(path), swapped);
  const Options options = Options(0.03).rule(rule).path(path).eps(1e-12);
  const Tensor usual = trained(options, {2, 1, swapped});
  CHECK(deviation(trained(options, {2e-3, 1, swapped}), usual) < 1e-8);
  CHECK(deviation(trained(options, {2e3, 1, swapped}), usual) < 1e-8);
  if (!swapped) CHECK(deviation(trained(options, {2, 1e-2}), usual) < 1e-8);
  // Which factor is free is a part of the state.
  CHECK(deviation(trained(options, {2, 1, swapped, true}), usual) < 1e-12);
  CHECK(deviation(trained(options, {2, 1, !swapped}), usual) > 1e-3);
}

TEST_CASE("both paths bound the same move", "[torch_scale_free]") {
  const auto rule =
      GENERATE(as<std::string>{}, "lora_pro_full", "lora_pro_adapter", "lora_pro_spectral");
  const bool swapped = GENERATE(false, true);
  CAPTURE(rule, swapped);
  const Options options = Options(0.03).rule(rule).eps(1e-6);
  const Tensor usual = trained(options, {2, 1, swapped});
  CHECK(deviation(trained(Options(options).path(StepPath::tensor), {2, 1, swapped}), usual) <
        (rule == "lora_pro_spectral" ? 1e-5 : 1e-8));
  // Another bound is another training.
  CHECK(deviation(trained(Options(options).max_relative_move(0.01), {2, 1, swapped}), usual) >
        1e-4);
}

}  // namespace
