// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::Side;
using lorapro::torch_adapter::LoraProParamState;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::TensorBatch;
using support::deviation;
using support::leaf;
using torch::Tensor;

std::vector<Item> pairs_with_gradients(torch::ScalarType type) {
  torch::manual_seed(85);
  std::vector<Item> items;
  for (const double scaling : {2.0, -0.5}) {
    items.push_back({leaf({2, 6}, type), leaf({5, 2}, type), scaling, "pair"});
    items.back().A.mutable_grad() = torch::randn({2, 6}).to(type);
    items.back().B.mutable_grad() = torch::randn({5, 2}).to(type);
  }
  return items;
}

TensorBatch batch_of(const std::vector<Item>& items, std::vector<LoraProParamState>& states,
                     bool projected) {
  states.resize(items.size());
  TensorBatch batch;
  batch.projected = projected;
  for (std::size_t i = 0; i < items.size(); ++i) {
    batch.items.push_back(&items[i]);
    batch.states.push_back(&states[i]);
  }
  return batch;
}

Tensor booleans(std::vector<int> values) { return torch::tensor(values).to(torch::kBool); }

TEST_CASE("the norms of pairs are those of their gradients and of E", "[torch_tensor_batch]") {
  const std::vector<Item> items = pairs_with_gradients(torch::kDouble);
  const lorapro::OptimizerConfig config;
  std::vector<LoraProParamState> states;
  TensorBatch batch = batch_of(items, states, true), plain = batch_of(items, states, false);
  CHECK(torch::equal(batch.read(), booleans({1, 1})));
  CHECK(torch::equal(batch.solve(config), booleans({1, 1})));
  // Of a rule that projects nothing the gradients are all there is.
  CHECK(torch::equal(plain.read(), booleans({1, 1})));
  CHECK(torch::equal(plain.solve(config), booleans({1, 1})));
  CHECK(plain.pairs == nullptr);
  for (std::int64_t k = 0; k < 2; ++k) {
    const Item& item = items[static_cast<std::size_t>(k)];
    const Tensor raw = item.A.grad().square().sum() + item.B.grad().square().sum();
    CHECK(deviation(batch.raw_norm[k], raw) < 1e-14);
    CHECK(deviation(plain.norm[k], raw) < 1e-14);
    const Tensor E =
        (item.B.mm(batch.adjusted.A[k]) + batch.adjusted.B[k].mm(item.A)).detach() * item.scaling;
    CHECK(deviation(batch.norm[k], E.square().sum()) < 1e-12);
  }
}

TEST_CASE("the state says which factor is free", "[torch_tensor_batch]") {
  const std::vector<Item> items = pairs_with_gradients(torch::kFloat);
  lorapro::OptimizerConfig config;
  config.group.lr = 0.5;
  config.group.loraplus_lr_ratio = 4;
  for (const std::int64_t free : {0, 1}) {
    std::vector<LoraProParamState> states(2);
    for (LoraProParamState& state : states) state.free_factor(free);
    TensorBatch batch = batch_of(items, states, true);
    (void)batch.read();
    (void)batch.solve(config);
    CHECK(batch.projection.free_factor == (free == 1 ? Side::A : Side::B));
    CHECK(batch.projection.lr == (free == 1 ? 2.0 : 0.5));
  }
}

TEST_CASE("numbers that are not finite or do not fit are found, item by item",
          "[torch_tensor_batch]") {
  std::vector<Item> items = pairs_with_gradients(torch::kFloat);
  const lorapro::OptimizerConfig config;
  std::vector<LoraProParamState> states;
  items[1].A.mutable_grad() = torch::full({2, 6}, 3e38F);
  TensorBatch large = batch_of(items, states, false);
  CHECK(torch::equal(large.read(), booleans({1, 1})));
  CHECK(torch::equal(large.solve(config), booleans({1, 0})));
  items[0].B.mutable_grad()[1][1] = NAN;
  TensorBatch bad = batch_of(items, states, false);
  CHECK(torch::equal(bad.read(), booleans({0, 1})));
}

TEST_CASE("a batch that leaves items out is that of the others", "[torch_tensor_batch]") {
  const std::vector<Item> items = pairs_with_gradients(torch::kDouble);
  const lorapro::OptimizerConfig config;
  std::vector<LoraProParamState> states;
  TensorBatch both = batch_of(items, states, true);
  (void)both.read();
  both.keep({1});
  (void)both.solve(config);
  CHECK(both.size() == 1);
  CHECK(both.items[0] == &items[1]);
  CHECK(both.states[0] == &states[1]);
  const std::vector<Item> second{items[1]};
  std::vector<LoraProParamState> lone_state;
  TensorBatch lone = batch_of(second, lone_state, true);
  (void)lone.read();
  (void)lone.solve(config);
  CHECK(deviation(both.adjusted.A, lone.adjusted.A) < 1e-14);
  CHECK(deviation(both.adjusted.B, lone.adjusted.B) < 1e-14);
}

TEST_CASE("states are read and written as one tensor", "[torch_tensor_batch]") {
  const std::vector<Item> items = pairs_with_gradients(torch::kFloat);
  std::vector<LoraProParamState> states;
  const TensorBatch batch = batch_of(items, states, false);
  CHECK(!batch.state("exp_avg_A").defined());
  states[0].tensors()["exp_avg_A"] = torch::ones({2, 6});
  CHECK(!batch.state("exp_avg_A").defined());
  states[1].tensors()["exp_avg_A"] = torch::zeros({2, 6});
  const Tensor stack = batch.state("exp_avg_A");
  CHECK(torch::equal(stack[0], torch::ones({2, 6})));
  CHECK(torch::equal(stack[1], torch::zeros({2, 6})));
  batch.set_state("exp_avg_A", stack);
  CHECK(states[1].tensor("exp_avg_A").data_ptr() == stack[1].data_ptr());
  CHECK(batch.state("exp_avg_A").data_ptr() == stack.data_ptr());
}

}  // namespace
