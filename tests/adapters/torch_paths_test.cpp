// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch_model.hpp"

namespace {

using lorapro::Gauge;
using lorapro::detail::names_of;
using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using lorapro::torch_adapter::StepPath;
using lorapro::torch_adapter::detail::TensorRules;
using Options = lorapro::torch_adapter::LoraProOptions;
using Group = torch::optim::OptimizerParamGroup;
using support::deviation;
using support::leaf;
using support::state_in;
using support::TorchModel;
using torch::Tensor;

TEST_CASE("both paths agree", "[torch_paths]") {
  const std::string rule = GENERATE(from_range(names_of(TensorRules{})));
  const auto gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  const double damping = GENERATE(0.0, 0.1);
  CAPTURE(rule, static_cast<int>(gauge), damping);
  Options options = Options(0.01).rule(rule).gauge(gauge).damping(damping).weight_decay(0.2);
  // dB of a pair of full rank is 0 but for rounding in the zero gauge, which eps has to drown.
  options.loraplus_lr_ratio(2.0).eps(1e-4);
  TorchModel mapped(torch::kDouble, 11), tensor(torch::kDouble, 11);
  LoraProOptimizer by_map = mapped.optimizer(options);
  mapped.train(by_map, 10);
  LoraProOptimizer by_tensor = tensor.optimizer(options.path(StepPath::tensor));
  tensor.train(by_tensor, 10);
  CHECK(by_map.report().updated == 6);
  CHECK(by_tensor.report().updated == 6);
  CHECK(mapped.deviation_from(tensor) < 1e-8);
  // And the options made a difference.
  TorchModel other(torch::kDouble, 11);
  LoraProOptimizer plain = other.optimizer(Options(0.01).rule(rule).damping(0.05));
  other.train(plain, 10);
  CHECK(mapped.deviation_from(other) > 1e-4);
}

TEST_CASE("both paths agree from B = 0, and say that the rank is lost", "[torch_paths]") {
  const std::string rule = GENERATE(as<std::string>{}, "lora_pro_full", "lora_pro_adapter");
  TorchModel mapped(torch::kDouble, 12, 0.0), tensor(torch::kDouble, 12, 0.0);
  LoraProOptimizer by_map = mapped.optimizer(Options(0.01).rule(rule));
  LoraProOptimizer by_tensor = tensor.optimizer(Options(0.01).rule(rule).path(StepPath::tensor));
  mapped.train(by_map, 1);
  tensor.train(by_tensor, 1);
  CHECK(by_map.report().rank_deficient == 4);
  CHECK(by_tensor.report().rank_deficient == 4);
  mapped.train(by_map, 9);
  tensor.train(by_tensor, 9);
  CHECK(mapped.deviation_from(tensor) < 1e-8);
}

TEST_CASE("both paths clip to one norm", "[torch_paths]") {
  const std::string rule = GENERATE(from_range(names_of(TensorRules{})));
  const auto norm = GENERATE(lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter);
  const Options options = Options(0.01).rule(rule).max_grad_norm(0.3).clip_norm(norm);
  TorchModel mapped(torch::kDouble, 13), tensor(torch::kDouble, 13);
  LoraProOptimizer by_map = mapped.optimizer(options);
  LoraProOptimizer by_tensor = tensor.optimizer(Options(options).path(StepPath::tensor));
  mapped.train(by_map, 5);
  tensor.train(by_tensor, 5);
  CHECK(by_map.report().clip_factor < 1);
  CHECK(by_tensor.report().clip_factor == Approx(by_map.report().clip_factor).epsilon(1e-9));
  CHECK(by_tensor.report().grad_norm == Approx(by_map.report().grad_norm).epsilon(1e-9));
  CHECK(mapped.deviation_from(tensor) < 1e-8);
}

TEST_CASE("float, bfloat16 and half are stepped in place, with masters where they store less",
          "[torch_paths]") {
  const auto type = GENERATE(torch::kFloat, torch::kBFloat16, torch::kHalf);
  const auto rule =
      GENERATE(as<std::string>{}, "lora_pro_full", "lora_pro_adapter", "lora_pro_spectral");
  CAPTURE(type, rule);
  torch::manual_seed(17);
  const Tensor A = leaf({3, 16}, type), B = leaf({12, 3}, type), head = leaf({9}, type);
  const void* const at = A.data_ptr();
  const Tensor A_twin = A.detach().clone().set_requires_grad(true);
  const Tensor B_twin = B.detach().clone().set_requires_grad(true);
  const Tensor head_twin = head.detach().clone().set_requires_grad(true);
  const Options options = Options(0.01).rule(rule);
  LoraProOptimizer mapped({Group(std::vector<Tensor>{A, B, head})}, {LoraPair{A, B, 2.0}}, options);
  LoraProOptimizer tensor({Group(std::vector<Tensor>{A_twin, B_twin, head_twin})},
                          {LoraPair{A_twin, B_twin, 2.0}}, Options(options).path(StepPath::tensor));
  for (int step = 0; step < 6; ++step) {
    const Tensor grad_A = torch::randn({3, 16}).to(type), grad_B = torch::randn({12, 3}).to(type);
    const Tensor grad_head = torch::randn({9}).to(type);
    for (const Tensor& parameter : {A, A_twin}) parameter.mutable_grad() = grad_A.clone();
    for (const Tensor& parameter : {B, B_twin}) parameter.mutable_grad() = grad_B.clone();
    for (const Tensor& parameter : {head, head_twin}) parameter.mutable_grad() = grad_head.clone();
    const auto version = A._version();
    mapped.step();
    tensor.step();
    CHECK(A._version() > version);  // autograd is told
  }
  CHECK(A.data_ptr() == at);
  CHECK(mapped.report().updated == 2);
  const double rounding = type == torch::kFloat ? 1e-4 : type == torch::kHalf ? 2e-3 : 1e-2;
  CHECK(deviation(A.detach(), A_twin.detach()) < rounding);
  CHECK(deviation(B.detach(), B_twin.detach()) < rounding);
  CHECK(deviation(head.detach(), head_twin.detach()) < rounding);
  if (type == torch::kFloat) {
    CHECK(!state_in(mapped, A).tensor("master_A").defined());
    return;
  }
  const Tensor master = state_in(mapped, A).tensor("master_A");
  CHECK(master.scalar_type() == torch::kFloat);
  CHECK(torch::equal(master.to(type), A.detach()));
  CHECK(deviation(master, state_in(tensor, A_twin).tensor("master_A")) < 2e-3);
  CHECK(deviation(state_in(mapped, head).tensor("master"),
                  state_in(tensor, head_twin).tensor("master")) < 1e-5);
  {
    // What is written from outside is followed, by either path.
    const torch::NoGradGuard no_grad;
    for (const Tensor& parameter : {A, A_twin}) Tensor(parameter).fill_(7);
  }
  for (const auto* const parameter : {&A, &B, &A_twin, &B_twin}) parameter->grad().zero_();
  mapped.step();
  tensor.step();
  CHECK(deviation(A.detach(), torch::full_like(A, 7).detach()) < 0.02);
  CHECK(deviation(A_twin.detach(), torch::full_like(A, 7).detach()) < 0.02);
}

TEST_CASE("states go from one path to the other", "[torch_paths]") {
  const std::string rule = GENERATE(from_range(names_of(TensorRules{})));
  const auto from = GENERATE(StepPath::automatic, StepPath::tensor);
  const auto to = from == StepPath::tensor ? StepPath::automatic : StepPath::tensor;
  TorchModel whole(torch::kDouble, 22), moved(torch::kDouble, 22);
  LoraProOptimizer one = whole.optimizer(Options(0.01).rule(rule).path(from));
  whole.train(one, 8);
  LoraProOptimizer first = moved.optimizer(Options(0.01).rule(rule).path(from));
  moved.train(first, 4);
  std::stringstream file;
  torch::save(first, file);
  LoraProOptimizer second = moved.optimizer(Options(0.01).rule(rule).path(to));
  torch::load(second, file);
  moved.train(second, 4);
  CHECK(whole.deviation_from(moved) < 1e-8);
}

}  // namespace
