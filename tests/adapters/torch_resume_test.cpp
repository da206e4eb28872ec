// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch_model.hpp"

#include <map>  // std::map

namespace {

using lorapro::rule_names;
using lorapro::detail::names_of;
using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using lorapro::torch_adapter::StepPath;
using lorapro::torch_adapter::detail::TensorRules;
using Options = lorapro::torch_adapter::LoraProOptions;
using Group = torch::optim::OptimizerParamGroup;
using support::leaf;
using support::state_in;
using support::TorchModel;
using torch::Tensor;

/// Trains a model, and a twin that goes on from an archive halfway; their bits are equal then.
void train_interrupted(torch::ScalarType type, const std::string& rule, StepPath path,
                       bool into_a_used_one) {
  CAPTURE(type, rule, static_cast<int>(path), into_a_used_one);
  const Options options = Options(0.01).rule(rule).weight_decay(0.1).path(path);
  TorchModel whole(type, 21), broken(type, 21);
  LoraProOptimizer uninterrupted = whole.optimizer(options);
  whole.train(uninterrupted, 6);

  std::stringstream file;
  {
    LoraProOptimizer first = broken.optimizer(options);
    broken.train(first, 3);
    torch::save(first, file);
  }
  // Other options, which the archive's replace.
  LoraProOptimizer second = broken.optimizer(Options(0.5).rule(rule).path(path));
  if (into_a_used_one) {
    std::vector<Tensor> kept;
    for (const Tensor& parameter : broken.all()) kept.push_back(parameter.detach().clone());
    broken.train(second, 2);
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < kept.size(); ++i) broken.all()[i].copy_(kept[i]);
  }
  torch::load(second, file);
  CHECK(static_cast<Options&>(second.param_groups()[0].options()).lr() == 0.01);
  CHECK(state_in(second, broken.pairs[1].lora_A).step() == 3);
  broken.train(second, 3);
  CHECK(state_in(second, broken.pairs[1].lora_A).step() == 6);
  CHECK(whole.same_bits(broken));
}

TEST_CASE("a resumed training of any rule has the bits of one that was not interrupted",
          "[torch_resume]") {
  const auto type = GENERATE(torch::kFloat, torch::kDouble, torch::kBFloat16);
  const bool into_a_used_one = GENERATE(false, true);
  for (const std::string& rule : rule_names())
    train_interrupted(type, rule, StepPath::automatic, into_a_used_one);
  for (const std::string& rule : names_of(TensorRules{}))
    train_interrupted(type, rule, StepPath::tensor, into_a_used_one);
}

TEST_CASE("states have the names and shapes of the rule, on either path", "[torch_resume]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  TorchModel model(torch::kFloat, 23);
  using Shapes = std::map<std::string, std::vector<std::int64_t>>;
  const auto shapes_in = [](LoraProOptimizer& optimizer, const Tensor& parameter) {
    Shapes shapes;
    const auto state = state_in(optimizer, parameter);
    CHECK(state.step() == 2);
    for (const auto& [name, tensor] : state.tensors()) shapes[name] = tensor.sizes().vec();
    return shapes;
  };
  const auto check = [&](const std::string& rule, const Shapes& of_pair, const Shapes& of_head) {
    CAPTURE(rule);
    LoraProOptimizer optimizer = model.optimizer(Options(0.01).rule(rule).path(path));
    model.train(optimizer, 2);
    CHECK(shapes_in(optimizer, model.pairs[0].lora_A) == of_pair);
    CHECK(shapes_in(optimizer, model.head) == of_head);
    auto& states = optimizer.state();
    CHECK(lorapro::torch_adapter::detail::find_state(states, model.pairs[0].lora_B) == nullptr);
  };
  const Shapes adam_head{{"exp_avg", {5, 4}}, {"exp_avg_sq", {5, 4}}};
  const Shapes adam_pair{{"exp_avg_A", {3, 23}},
                         {"exp_avg_B", {14, 3}},
                         {"exp_avg_sq_A", {3, 23}},
                         {"exp_avg_sq_B", {14, 3}}};
  check("lora_pro_full", {{"exp_avg", {14, 23}}, {"exp_avg_sq", {14, 23}}}, adam_head);
  check("lora_pro_adapter", adam_pair, adam_head);
  check("adamw", adam_pair, adam_head);
  check("lora_pro_spectral", {{"exp_avg_A", {3, 23}}, {"exp_avg_B", {14, 3}}}, adam_head);
  check("sgd", {}, {});
  if (path == StepPath::automatic)
    check("muon", {{"exp_avg_A", {3, 23}}, {"exp_avg_B", {14, 3}}}, {{"exp_avg", {5, 4}}});
}

TEST_CASE("an archive of another training is refused and changes nothing", "[torch_resume]") {
  TorchModel model(torch::kFloat, 62);
  LoraProOptimizer optimizer = model.optimizer(Options(0.01));
  model.train(optimizer, 2);
  const auto message = [&](LoraProOptimizer& into, auto& from) {
    std::stringstream file;
    torch::save(from, file);
    return message_of<lorapro::Error>([&] { torch::load(into, file); });
  };
  const Tensor moment = state_in(optimizer, model.pairs[0].lora_A).tensor("exp_avg_A").clone();
  for (const std::string& rule : rule_names()) {
    if (rule == "lora_pro_spectral") continue;
    LoraProOptimizer other = model.optimizer(Options(0.01).rule(rule));
    CHECK(message(optimizer, other) ==
          "archive: expected rule lora_pro_spectral in group 0, which the optimizer has, got " +
              rule);
  }
  LoraProOptimizer fewer({model.pairs[0]});
  CHECK_THAT(message(optimizer, fewer), contains_text("expected the pairs and parameters"));
  LoraProOptimizer groups(
      {Group(model.others()), Group({model.pairs[0].lora_A, model.pairs[0].lora_B})},
      {model.pairs[0]});
  CHECK_THAT(message(optimizer, groups), contains_text("expected 1 parameter groups, got 2"));
  torch::optim::AdamW theirs(model.all(), torch::optim::AdamWOptions());
  CHECK_THAT(message(optimizer, theirs), contains_text("expected one of LoraProOptimizer"));
  const Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat);
  const Tensor C = leaf({2, 6}, torch::kFloat), D = leaf({4, 2}, torch::kFloat);
  LoraProOptimizer small({LoraPair{A, B, 1.0}}), large({LoraPair{C, D, 1.0}});
  (A.sum() + B.sum()).backward();
  small.step();
  CHECK_THAT(message(large, small),
             contains_text("state/0/0.exp_avg_A: expected (2, 6) for rule lora_pro_spectral"));
  CHECK(torch::equal(moment, state_in(optimizer, model.pairs[0].lora_A).tensor("exp_avg_A")));
  CHECK(state_in(optimizer, model.pairs[0].lora_A).step() == 2);
}

}  // namespace
