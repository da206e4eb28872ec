// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/rule_slots.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::StateTensor;
using lorapro::detail::given;
using lorapro::detail::RuleDenseSlot;
using lorapro::detail::RulePairSlot;

using Projecting = lorapro::LoraPro<lorapro::AdapterMoments>;

TEST_CASE("a pair has a solver where its rule needs spectra", "[rule_slots]") {
  PairBuffers<float> buffers(6, 5, 2, 1.0, 1);
  const RulePairSlot<float, Projecting> projecting(given(buffers.view()), "pair");
  const RulePairSlot<float, lorapro::AdamWRule> plain(given(buffers.view()), "pair");
  CHECK(projecting.solver != nullptr);
  CHECK(plain.solver == nullptr);
  CHECK((projecting.grad_grams().A == false && plain.grad_grams().A == false));
  // What decides the order of work on several threads.
  CHECK(projecting.cost_ns == projecting.workspace().cost_ns);
}

TEST_CASE("a pair's state is cleared to that of a new one", "[rule_slots]") {
  PairBuffers<float> buffers(6, 5, 2, 1.0, 1);
  RulePairSlot<float, lorapro::AdamWRule> slot(given(buffers.view()), "pair");
  const auto sum = [&] {
    double total = 0;
    slot.visit_state([&](const std::string&, const StateTensor& tensor) {
      std::vector<float> values(static_cast<std::size_t>(tensor.size()));
      tensor.read(values.data());
      for (const float x : values) total += std::abs(static_cast<double>(x));
    });
    return total;
  };
  std::vector<std::string> names;
  slot.visit_state([&](const std::string& name, const StateTensor& tensor) {
    names.push_back(name);
    const std::vector<float> ones(static_cast<std::size_t>(tensor.size()), 1.0F);
    tensor.write(0, tensor.size(), ones.data());
  });
  CHECK(names ==
        std::vector<std::string>{"exp_avg_A", "exp_avg_B", "exp_avg_sq_A", "exp_avg_sq_B"});
  CHECK(sum() == 2 * (6 + 5) * 2);
  slot.clear_state();
  CHECK(sum() == 0);
}

TEST_CASE("a dense parameter has the state of its rule", "[rule_slots]") {
  std::vector<float> value(3, 1.0F), grad(3, 1.0F);
  RuleDenseSlot<float, lorapro::AdamWRule> slot(
      given(lorapro::DenseView<float>{value.data(), grad.data(), 3}), "bias");
  CHECK(std::string(slot.rule()) == "adamw");
  CHECK(slot.cost_ns == slot.workspace().cost_ns);
  Index numbers = 0;
  slot.visit_state(
      [&](const std::string&, const StateTensor& tensor) { numbers += tensor.size(); });
  CHECK(numbers == 2 * 3);
}

}  // namespace
