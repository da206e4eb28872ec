// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/pair_batches.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include <algorithm>  // std::find
#include <memory>     // std::unique_ptr

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdapterMoments;
using lorapro::LoraPro;
using lorapro::NoMoments;

using Pairs = std::vector<std::unique_ptr<PairBuffers<float>>>;

constexpr Index kPairs = 21;

/// Ranks in a jumble: some often, some once, one beyond what is batched.
Pairs mixed_pairs() {
  const Index ranks[] = {4, 8, 4, 3, 8, 33, 4, 16};
  Pairs pairs;
  for (Index k = 0; k < kPairs; ++k)
    pairs.push_back(std::make_unique<PairBuffers<float>>(
        5 + 7 * k % 40, 6 + 11 * k % 50, ranks[k % 8], 1.0 + 0.1 * static_cast<double>(k),
        static_cast<std::uint64_t>(k), k % 5 == 0 ? 0 : 1));
  return pairs;
}

template <typename Optimizer>
void train(Optimizer& optimizer, PairBuffers<float>* const* pairs, Index count) {
  for (std::uint64_t t = 0; t < 2; ++t) {
    for (Index k = 0; k < count; ++k) {
      PairBuffers<float>& pair = *pairs[k];
      round_into(random_matrix(pair.A.rows(), pair.A.cols(), 2 * t), pair.grad_A);
      round_into(random_matrix(pair.B.rows(), pair.B.cols(), 2 * t + 1), pair.grad_B);
    }
    REQUIRE(optimizer.step().updated == count);
  }
}

lorapro::OptimizerConfig config_for(int threads) {
  lorapro::OptimizerConfig config;
  config.threads = threads;
  return config;
}

TEMPLATE_TEST_CASE("a pair steps to the same bits alone and in any company", "[pair_batches]",
                   LoraPro<NoMoments>, LoraPro<AdapterMoments>,
                   LoraPro<lorapro::FullMoments<float>>) {
  const Pairs alone = mixed_pairs();
  for (const auto& pair : alone) {
    lorapro::Optimizer<float, TestType> optimizer(config_for(1));
    optimizer.attach(pair->view());
    PairBuffers<float>* const pointer = pair.get();
    train(optimizer, &pointer, 1);
  }
  for (const int threads : {1, 2, 3, 8})
    for (Index others = 1; others < kPairs; ++others) {
      CAPTURE(threads, others);
      const Pairs pairs = mixed_pairs();
      lorapro::Optimizer<float, TestType> optimizer(config_for(threads));
      std::vector<PairBuffers<float>*> attached;
      // From a different pair on each time.
      for (Index k = 0; k <= others; ++k)
        attached.push_back(pairs[static_cast<std::size_t>((k + others) % kPairs)].get());
      for (PairBuffers<float>* pair : attached) optimizer.attach(pair->view());
      train(optimizer, attached.data(), others + 1);
      for (std::size_t k = 0; k < pairs.size(); ++k)
        if (std::find(attached.begin(), attached.end(), pairs[k].get()) != attached.end())
          CHECK(same_parameters(*pairs[k], *alone[k]));
    }
}

TEST_CASE("a pair that is not finite leaves its batch alone", "[pair_batches]") {
  Pairs good, bad;
  lorapro::Optimizer<float, LoraPro<NoMoments>> clean, poisoned;
  for (std::uint64_t k = 0; k < 6; ++k) {
    good.push_back(std::make_unique<PairBuffers<float>>(20, 30, 8, 1.0, k));
    bad.push_back(std::make_unique<PairBuffers<float>>(*good.back()));
    for (PairBuffers<float>* pair : {good.back().get(), bad.back().get()})
      pair->backpropagate(random_matrix(20, 30, k));
    clean.attach(good.back()->view());
    poisoned.attach(bad.back()->view());
  }
  bad[1]->B(3, 4) = std::numeric_limits<float>::quiet_NaN();
  bad[2]->grad_A(3, 4) = std::numeric_limits<float>::infinity();
  CHECK(clean.step().updated == 6);
  const lorapro::StepReport report = poisoned.step();
  CHECK(report.updated == 4);
  for (const std::size_t k : {0, 3, 4, 5}) CHECK(same_parameters(*good[k], *bad[k]));
}

TEST_CASE("pairs may leave and enter batches", "[pair_batches]") {
  const Pairs alone = mixed_pairs(), pairs = mixed_pairs();
  lorapro::Optimizer<float, LoraPro<NoMoments>> optimizer(config_for(2));
  std::vector<lorapro::PairId> ids;
  for (Index k = 0; k < 4; ++k)
    ids.push_back(optimizer.attach(pairs[static_cast<std::size_t>(k)]->view()));
  auto detached = optimizer.detach(ids[1]);
  PairBuffers<float>* const left[] = {pairs[0].get(), pairs[2].get(), pairs[3].get()};
  train(optimizer, left, 3);
  optimizer.attach(pairs[1]->view(), std::move(detached));
  PairBuffers<float>* const all[] = {pairs[0].get(), pairs[1].get(), pairs[2].get(),
                                     pairs[3].get()};
  train(optimizer, all, 4);
  for (const std::size_t k : {0, 1, 2, 3}) {
    CAPTURE(k);
    lorapro::Optimizer<float, LoraPro<NoMoments>> single;
    single.attach(alone[k]->view());
    PairBuffers<float>* const pointer = alone[k].get();
    for (int round = k == 1 ? 1 : 0; round < 2; ++round) train(single, &pointer, 1);
    CHECK(same_parameters(*pairs[k], *alone[k]));
  }
}

TEST_CASE("batches hold pairs of one rank, few pairs one for each thread", "[pair_batches]") {
  using Batches = lorapro::detail::PairBatches<float>;
  using Slot = lorapro::detail::RulePairSlot<float, LoraPro<NoMoments>>;
  std::vector<std::unique_ptr<Batches::Slot>> slots;
  const Pairs pairs = mixed_pairs();
  for (const auto& pair : pairs)
    slots.push_back(std::make_unique<Slot>(lorapro::detail::given(pair->view()), ""));
  slots[2] = nullptr;
  const Index widest = std::max<Index>(1, lorapro::kEigenLanes / 2);
  for (const int threads : {1, 8}) {
    CAPTURE(threads);
    lorapro::detail::Crew<float> crew(threads);
    Batches batches;
    for (const auto& slot : slots)
      if (slot != nullptr) batches.expect(*slot, slots.size(), crew);
    batches.arrange(slots, threads);
    Index seen = 0;
    for (const auto& batch : batches.batches()) {
      CHECK(batch.first == seen);
      seen += batch.count;
      CHECK(batch.count <= (batch.rank > lorapro::kBatchedEigenSize ? 1 : widest));
      for (Index k = 0; k < batch.count; ++k)
        CHECK(batches.slot(batch.first + k).shape().rank == batch.rank);
      // Seven pairs of rank 4 are two packets of four for one thread, one each for eight.
      if (batch.rank == 4 && threads == 8) CHECK(batch.count == 1);
      if (batch.rank == 4 && batch.first == 3) CHECK(batch.count == (threads == 1 ? widest : 1));
    }
    CHECK(seen == kPairs - 1);
  }
}

}  // namespace
