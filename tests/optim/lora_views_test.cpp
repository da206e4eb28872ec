// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_views.hpp>

#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include <array>    // std::array
#include <utility>  // std::move
#include <vector>   // std::vector

#include "support/rule_battery.hpp"

/// Layers of somebody else's, in a namespace of their own.
namespace someone {

using lorapro::Index;
using Buffers = rule_battery::PairBuffers<float>;

struct Projection {
  Buffers pair{9, 7, 2, 1.5, 1};
};
lorapro::LoraView<float> lora_views(Projection& layer) { return layer.pair.view(); }

struct Attention {
  Buffers query{9, 7, 2, 1.5, 1}, key{8, 7, 3, 2.0, 2}, value{5, 7, 2, 1.0, 3};
};
std::array<lorapro::LoraView<float>, 3> lora_views(Attention& layer) {
  return {layer.query.view(), layer.key.view(), layer.value.view()};
}

struct Experts {
  std::vector<lorapro::LoraView<float>> views;
};
const std::vector<lorapro::LoraView<float>>& lora_views(const Experts& layer) {
  return layer.views;
}

struct Nothing {};

struct Wrong {};
int lora_views(Wrong&);

}  // namespace someone

namespace {

using ViewsOptimizer = lorapro::Optimizer<float, lorapro::AdamWRule>;

static_assert(lorapro::has_lora_views_v<lorapro::LoraLayer<double, lorapro::bfloat16>>);
static_assert(lorapro::has_lora_views_v<someone::Projection>);
static_assert(lorapro::has_lora_views_v<someone::Attention>);
static_assert(lorapro::has_lora_views_v<const someone::Experts>);
static_assert(!lorapro::has_lora_views_v<someone::Nothing>);
static_assert(!lorapro::has_lora_views_v<someone::Wrong>);

std::vector<std::string> names_of(const ViewsOptimizer& optimizer) {
  std::vector<std::string> names;
  optimizer.for_each_slot([&](const auto& slot) { names.push_back(slot.name); });
  return names;
}

TEST_CASE("a layer of one pair is attached as its view is", "[lora_views]") {
  someone::Projection layer, twin;
  ViewsOptimizer by_layer, by_view;
  const lorapro::PairId id = by_layer.attach(layer, {}, "proj");
  by_view.attach(twin.pair.view(), {}, "proj");
  CHECK(names_of(by_layer) == names_of(by_view));
  layer.pair.backpropagate(rule_battery::random_matrix(9, 7, 1));
  twin.pair.backpropagate(rule_battery::random_matrix(9, 7, 1));
  const auto before = layer.pair.A;
  REQUIRE(by_layer.step().updated == 1);
  REQUIRE(by_view.step().updated == 1);
  CHECK(layer.pair.A != before);
  CHECK(layer.pair.A == twin.pair.A);
  CHECK(layer.pair.B == twin.pair.B);

  auto detached = by_layer.detach(id);
  const lorapro::PairId again = by_layer.attach(layer, std::move(detached));
  CHECK(by_layer.step_count(again) == 1);
}

TEST_CASE("a layer of several pairs is attached whole", "[lora_views]") {
  someone::Attention layer;
  ViewsOptimizer optimizer;
  lorapro::GroupConfig fast;
  fast.lr = 0.1;
  const auto group = optimizer.add_group(fast);
  const std::vector<lorapro::PairId> ids = optimizer.attach(layer, group, "attention");
  REQUIRE(ids.size() == 3);
  CHECK(names_of(optimizer) ==
        std::vector<std::string>{"attention.0", "attention.1", "attention.2"});
  optimizer.for_each_slot([&](const auto& slot) { CHECK(slot.group == group.index); });
  layer.key.backpropagate(rule_battery::random_matrix(8, 7, 1));
  const auto before = layer.key.A;
  CHECK(optimizer.step().updated == 3);
  CHECK(layer.key.A != before);

  someone::Attention other;
  someone::Experts experts{{other.query.view(), other.key.view()}};
  CHECK(optimizer.attach(experts).size() == 2);
  CHECK(names_of(optimizer).at(4) == "pair.4");
  someone::Experts none;
  CHECK(optimizer.attach(none).empty());
}

TEST_CASE("a layer whose last pair is refused is not attached at all", "[lora_views]") {
  someone::Attention layer;
  someone::Experts experts{{layer.query.view(), layer.key.view(), layer.key.view()}};
  ViewsOptimizer optimizer;
  CHECK_THROWS_AS(optimizer.attach(experts, {}, "experts"), lorapro::ShapeError);
  CHECK(names_of(optimizer).empty());
  CHECK(optimizer.attach(layer, {}, "experts").size() == 3);
  CHECK(optimizer.step().updated == 3);
}

}  // namespace
