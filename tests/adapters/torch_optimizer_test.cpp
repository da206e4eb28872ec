// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch_model.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::StateError;
using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using lorapro::torch_adapter::StepPath;
using Options = lorapro::torch_adapter::LoraProOptions;
using Group = torch::optim::OptimizerParamGroup;
using support::deviation;
using support::leaf;
using support::state_in;
using support::TorchModel;
using torch::Tensor;

TEST_CASE("parameters without factors are stepped as by torch::optim::AdamW, group by group",
          "[torch_optimizer]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  torch::manual_seed(31);
  std::vector<Tensor> ours, theirs;
  for (int i = 0; i < 2; ++i) {
    // One is not in the order of its rows.
    Tensor value = torch::randn({5, 7}, torch::kDouble);
    if (i == 1) value = value.t();
    ours.push_back(value.clone(torch::MemoryFormat::Preserve).set_requires_grad(true));
    theirs.push_back(value.clone().set_requires_grad(true));
  }
  const auto groups = [](const std::vector<Tensor>& parameters, const auto& of_second) {
    std::vector<Group> result;
    result.emplace_back(std::vector<Tensor>{parameters[0]});
    result.emplace_back(std::vector<Tensor>{parameters[1]},
                        std::make_unique<std::decay_t<decltype(of_second)>>(of_second));
    return result;
  };
  const Options adamw = Options(0.1).rule("adamw").path(path).weight_decay(0.01);
  LoraProOptimizer optimizer(groups(ours, Options(adamw).lr(0.03).weight_decay(0.2).eps(1e-3)),
                             std::vector<LoraPair>(), adamw);
  using Theirs = torch::optim::AdamWOptions;
  torch::optim::AdamW reference(groups(theirs, Theirs(0.03).weight_decay(0.2).eps(1e-3)),
                                Theirs(0.1).weight_decay(0.01));
  torch::optim::StepLR schedule(optimizer, 2, 0.5), reference_schedule(reference, 2, 0.5);
  for (int step = 0; step < 7; ++step) {
    for (int i = 0; i < 2; ++i) {
      const Tensor grad = torch::randn_like(theirs[i]);
      ours[i].mutable_grad() = step % 2 == 0 ? grad : grad.t().contiguous().t();
      theirs[i].mutable_grad() = grad.clone();
    }
    optimizer.step();
    reference.step();
    schedule.step();
    reference_schedule.step();
  }
  for (int i = 0; i < 2; ++i) CHECK(deviation(ours[i].detach(), theirs[i].detach()) < 1e-12);
}

TEST_CASE("rates of the groups are read at every step", "[torch_optimizer]") {
  TorchModel model(torch::kFloat, 32), twin(torch::kFloat, 32);
  LoraProOptimizer optimizer = model.optimizer(Options(0.01)),
                   other = twin.optimizer(Options(0.01));
  model.train(optimizer, 2);
  twin.train(other, 2);
  optimizer.param_groups()[0].options().set_lr(0);
  model.train(optimizer, 1);
  CHECK(model.same_bits(twin));
  CHECK(optimizer.param_groups()[0].options().get_lr() == 0);
  optimizer.param_groups()[0].options().set_lr(0.01);
  model.train(optimizer, 1);
  CHECK(!model.same_bits(twin));
}

TEST_CASE("a closure computes the loss with gradients on", "[torch_optimizer]") {
  TorchModel model(torch::kDouble, 33), twin(torch::kDouble, 33);
  LoraProOptimizer optimizer = model.optimizer(Options(0.01)),
                   other = twin.optimizer(Options(0.01));
  twin.train(other, 3);
  Tensor loss;
  for (int step = 0; step < 3; ++step)
    loss = optimizer.step([&] {
      optimizer.zero_grad();
      const Tensor result = model.loss();
      result.backward();
      return result;
    });
  CHECK(model.same_bits(twin));
  CHECK(loss.item<double>() > model.loss().item<double>());
  CHECK(!optimizer.step().defined());
}

TEST_CASE("what has no gradient is passed by", "[torch_optimizer]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  const auto rule =
      GENERATE(as<std::string>{}, "lora_pro_full", "lora_pro_adapter", "lora_pro_spectral");
  CAPTURE(static_cast<int>(path), rule);
  const Options options = Options(0.01).rule(rule).path(path);
  TorchModel model(torch::kDouble, 41), twin(torch::kDouble, 41);
  LoraProOptimizer optimizer = model.optimizer(options), other = twin.optimizer(options);
  const auto drop = [&](std::size_t pair) {
    Tensor(model.pairs[pair].lora_A).mutable_grad().reset();
    Tensor(model.pairs[pair].lora_B).mutable_grad().reset();
  };
  // Pair 0 misses the first step and the third, and `head` the second.
  for (int step = 0; step < 4; ++step) {
    model.backward();
    if (step == 0 || step == 2) drop(0);
    if (step == 1) model.head.mutable_grad().reset();
    const Tensor A = model.pairs[0].lora_A.detach().clone(), head = model.head.detach().clone();
    optimizer.step();
    CHECK(optimizer.report().without_gradient == (step == 3 ? 0 : 1));
    CHECK(optimizer.report().updated == (step == 3 ? 6 : 5));
    CHECK(torch::equal(A, model.pairs[0].lora_A.detach()) == (step == 0 || step == 2));
    CHECK(torch::equal(head, model.head.detach()) == (step == 1));
  }
  CHECK(state_in(optimizer, model.pairs[0].lora_A).step() == 2);
  CHECK(state_in(optimizer, model.pairs[1].lora_A).step() == 4);
  // Items do not see each other: each is as after as many steps of its own.
  twin.train(other, 2);
  CHECK(torch::equal(twin.pairs[0].lora_A, model.pairs[0].lora_A));
  CHECK(torch::equal(twin.pairs[0].lora_B, model.pairs[0].lora_B));
  twin.train(other, 1);
  CHECK(torch::equal(twin.head, model.head));
  twin.train(other, 1);
  CHECK(torch::equal(twin.pairs[1].lora_A, model.pairs[1].lora_A));
}

TEST_CASE("one gradient of a pair is an error before anything is written", "[torch_optimizer]") {
  TorchModel model(torch::kDouble, 42), twin(torch::kDouble, 42);
  LoraProOptimizer optimizer = model.optimizer(Options(0.01));
  model.backward();
  Tensor(model.pairs[2].lora_B).mutable_grad().reset();
  const auto message = message_of<StateError>([&] { optimizer.step(); });
  CHECK_THAT(message, contains_text("lora_B of pair 4 of group 0: expected a gradient"));
  CHECK(model.same_bits(twin));
}

TEST_CASE("a gradient that is not finite leaves its parameters as they are", "[torch_optimizer]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  const auto rule =
      GENERATE(as<std::string>{}, "lora_pro_full", "lora_pro_adapter", "lora_pro_spectral");
  TorchModel model(torch::kFloat, 43);
  LoraProOptimizer optimizer = model.optimizer(Options(0.01).rule(rule).path(path));
  model.train(optimizer, 2);
  model.backward();
  model.pairs[1].lora_B.grad()[3][1] = NAN;
  model.bias.grad()[4] = INFINITY;
  std::vector<Tensor> kept;
  for (const Tensor& parameter : model.all()) kept.push_back(parameter.detach().clone());
  const auto copied_state = [&] {
    const auto state = state_in(optimizer, model.pairs[1].lora_A);
    std::vector<Tensor> copies;
    for (const auto& [name, tensor] : state.tensors()) copies.push_back(tensor.clone());
    return copies;
  };
  const std::vector<Tensor> before = copied_state();
  optimizer.step();
  CHECK(optimizer.report().skipped_non_finite == 2);
  CHECK(optimizer.report().updated == 4);
  // In the order of all(): bias, head, then the factors.
  for (std::size_t i = 0; i < kept.size(); ++i)
    CHECK(torch::equal(kept[i], model.all()[i].detach()) == (i == 0 || i == 4 || i == 5));
  const std::vector<Tensor> after = copied_state();
  REQUIRE(!before.empty());
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(torch::equal(before[i], after[i]));
  CHECK(state_in(optimizer, model.pairs[1].lora_A).step() == 2);
  CHECK(state_in(optimizer, model.pairs[0].lora_A).step() == 3);
}

TEST_CASE("strides, expanded gradients and gradients that stay are all read as they are",
          "[torch_optimizer]") {
  torch::manual_seed(51);
  const Tensor plain_A = leaf({3, 10}, torch::kFloat), plain_B = leaf({8, 3}, torch::kFloat);
  const Tensor A = plain_A.detach().t().contiguous().t().set_requires_grad(true);
  const Tensor B = plain_B.detach().clone().set_requires_grad(true);
  REQUIRE(!A.is_contiguous());
  LoraProOptimizer strided({LoraPair{A, B, 2.0}}), reference({LoraPair{plain_A, plain_B, 2.0}});
  for (int step = 0; step < 4; ++step) {
    const Tensor row = torch::randn({1, 10});
    A.mutable_grad() = row.expand({3, 10});
    B.mutable_grad() = torch::randn({3, 8}).t();
    if (!plain_A.grad().defined()) {
      plain_A.mutable_grad() = torch::empty({3, 10});
      plain_B.mutable_grad() = torch::empty({8, 3});
    }
    plain_A.grad().copy_(row.expand({3, 10}));
    plain_B.grad().copy_(B.grad());
    strided.step();
    reference.step();
  }
  CHECK(deviation(A.detach(), plain_A.detach()) < 1e-5);
  CHECK(deviation(B.detach(), plain_B.detach()) < 1e-5);
}

TEST_CASE("a parameter that moves is followed, and one that changes type is refused",
          "[torch_optimizer]") {
  TorchModel model(torch::kDouble, 52), twin(torch::kDouble, 52);
  LoraProOptimizer optimizer = model.optimizer(Options(0.01)),
                   other = twin.optimizer(Options(0.01));
  twin.train(other, 4);
  model.train(optimizer, 2);
  for (Tensor parameter : model.all()) parameter.set_data(parameter.detach().clone());
  model.train(optimizer, 2);
  CHECK(model.same_bits(twin));
  Tensor(model.pairs[0].lora_A).mutable_grad().reset();
  Tensor(model.pairs[0].lora_B).mutable_grad().reset();
  Tensor(model.pairs[0].lora_A).set_data(model.pairs[0].lora_A.detach().to(torch::kFloat));
  CHECK_THAT(message_of<StateError>([&] { optimizer.step(); }),
             contains_text("make the optimizer after to()"));
}

TEST_CASE("parameters may join later", "[torch_optimizer]") {
  TorchModel model(torch::kFloat, 53);
  LoraProOptimizer optimizer({model.pairs[0], model.pairs[1]}, Options(0.01));
  model.train(optimizer, 1);
  CHECK(optimizer.report().updated == 2);
  optimizer.add_param_group(Group({model.pairs[2].lora_A, model.pairs[2].lora_B, model.bias},
                                  std::make_unique<Options>(Options(0.02).rule("adamw"))),
                            {model.pairs[2]});
  model.train(optimizer, 1);
  CHECK(optimizer.report().updated == 4);
  CHECK(optimizer.param_groups()[1].options().get_lr() == 0.02);
  CHECK(state_in(optimizer, model.pairs[2].lora_A).tensor("exp_avg_sq_B").sizes() ==
        model.pairs[2].lora_B.sizes());
}

TEST_CASE("what does not fit is refused by name", "[torch_optimizer]") {
  torch::manual_seed(61);
  const Tensor A = leaf({3, 10}, torch::kFloat), B = leaf({8, 3}, torch::kFloat);
  const auto pair_message = [](const Tensor& a, const Tensor& b, double scaling = 1) {
    return message_of<lorapro::Error>([&] { LoraProOptimizer({LoraPair{a, b, scaling}}); });
  };
  CHECK_THAT(pair_message(A, leaf({8, 2}, torch::kFloat)),
             contains_text("lora_B: expected (out_features, 3) beside lora_A (3, 10), got (8, 2)"));
  CHECK_THAT(pair_message(A, {}), contains_text("lora_B: expected a matrix, got no tensor"));
  CHECK_THAT(pair_message(leaf({3}, torch::kFloat), B),
             contains_text("lora_A: expected a matrix, got shape (3)"));
  CHECK_THAT(pair_message(A.detach(), B), contains_text("lora_A: expected a leaf"));
  CHECK_THAT(pair_message(A, leaf({8, 3}, torch::kDouble)),
             contains_text("lora_B: expected the type and device of lora_A"));
  CHECK_THAT(pair_message(A, B, 0),
             contains_text("scaling: expected a finite number other than 0"));

  const std::vector<LoraPair> pairs{{A, B, 1.0}};
  const auto options_message = [&](const Options& options) {
    return message_of<ConfigError>([&] { LoraProOptimizer(pairs, options); });
  };
  CHECK_THAT(options_message(Options(-1)), contains_text("lr: expected"));
  CHECK_THAT(options_message(Options().beta2(1)), contains_text("beta2"));
  CHECK_THAT(options_message(Options().max_grad_norm(-1)), contains_text("max_grad_norm"));
  CHECK_THAT(options_message(Options(1.0).weight_decay(2)), contains_text("weight_decay"));
  CHECK_THAT(options_message(Options().damping(-1)), contains_text("damping"));
  CHECK_THAT(options_message(Options().rule("adam")), contains_text("got \"adam\""));

  const auto group_message = [&](std::vector<Group> groups, std::vector<LoraPair> of) {
    return message_of<lorapro::Error>([&] { LoraProOptimizer(groups, of); });
  };
  CHECK(group_message({Group(std::vector<Tensor>{A})}, pairs) ==
        "pair 0, lora_A (3, 10): expected both factors in one group, got lora_A in group 0 and "
        "lora_B in no group");
  const std::vector<LoraPair> named{{A, B, 1.0, "blocks.0.query"}};
  CHECK(group_message({Group(std::vector<Tensor>{A}), Group(std::vector<Tensor>{B})}, named) ==
        "pair blocks.0.query: expected both factors in one group, got lora_A in group 0 and "
        "lora_B in group 1");
  CHECK(group_message({Group(std::vector<Tensor>{B})}, named) ==
        "pair blocks.0.query: expected both factors in one group, got lora_A in no group");
  CHECK_THAT(group_message({Group(std::vector<Tensor>{A, B, A})}, pairs),
             contains_text("expected each one once"));
  CHECK_THAT(group_message({}, pairs), contains_text("got lora_A in no group"));
  CHECK_THAT(group_message({Group(std::vector<Tensor>{A, B})}, {pairs[0], pairs[0]}),
             contains_text("expected every factor once"));
  CHECK_THAT(group_message({Group({A, B}, std::make_unique<torch::optim::SGDOptions>(0.1))}, pairs),
             contains_text("options: expected LoraProOptions"));

  // A bad option that a scheduler or a user has set later: before anything is written.
  LoraProOptimizer optimizer(pairs);
  (A.sum() + B.sum()).backward();
  const Tensor before = A.detach().clone();
  optimizer.param_groups()[0].options().set_lr(NAN);
  CHECK_THAT(message_of<ConfigError>([&] { optimizer.step(); }), contains_text("lr: expected"));
  CHECK(torch::equal(before, A.detach()));

  const Tensor wide = leaf({4}, torch::kDouble);
  LoraProOptimizer mixed({Group(std::vector<Tensor>{A, B, wide})}, pairs,
                         Options().max_grad_norm(1));
  wide.sum().backward();
  CHECK_THAT(message_of<ConfigError>([&] { mixed.step(); }),
             contains_text("max_grad_norm: expected a group that is stepped in one way"));
}

}  // namespace
