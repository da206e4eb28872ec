// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/adaprelora_rule.hpp>
#include <lorapro/optim/altlora_rule.hpp>
#include <lorapro/optim/loft_rule.hpp>
#include <lorapro/optim/lora_fa_rule.hpp>
#include <lorapro/optim/lora_muon_rule.hpp>
#include <lorapro/optim/lora_pro_factored_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>
#include <lorapro/optim/lora_rite_rule.hpp>
#include <lorapro/optim/muon_rule.hpp>
#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/reflora_rule.hpp>
#include <lorapro/optim/reflora_s_rule.hpp>

#include <memory>  // std::unique_ptr

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;

/// What a few steps of many pairs and dense parameters leave behind.
struct Trained {
  std::vector<double> norms;  ///< as doubles: a sum in another order shows in the last bit
  std::vector<float> parameters;
  Snapshot state;
};

template <typename Rule>
Trained train(int threads) {
  lorapro::OptimizerConfig config;
  config.threads = threads;
  config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
  config.group.max_grad_norm = 0.5;
  config.group.weight_decay = 0.1;
  std::vector<std::unique_ptr<PairBuffers<float>>> pairs;
  for (Index k = 0; k < 17; ++k)
    pairs.push_back(std::make_unique<PairBuffers<float>>(
        1 + 29 * k % 150, 1 + 53 * k % 310, 1 + k % 9, 1.0 + 0.1 * double(k),
        static_cast<std::uint64_t>(k), k % 3 == 0 ? 0 : 1));
  // Large enough to get all threads for one parameter: by the size of W, of the factors, of itself.
  // Two threads share these parameter by parameter, three or more within each.
  pairs.push_back(std::make_unique<PairBuffers<float>>(513, 600, 3, 1.0, 90));
  pairs.push_back(std::make_unique<PairBuffers<float>>(600, 513, 2, 1.0, 92));
  constexpr Index kRank = std::is_same_v<Rule, lorapro::LoftRule> ? 6 : 66;
  pairs.push_back(std::make_unique<PairBuffers<float>>(70, 16000, kRank, 1.0, 91));
  std::vector<RowMatrix<float>> dense, grads;
  for (const Index size : {1, 200, 401, 602, 270000, 300000, 1100000}) {
    dense.push_back(rounded<float>(random_matrix(1, size, 50)));
    grads.push_back(rounded<float>(random_matrix(1, size, 60)));
  }
  lorapro::Optimizer<float, Rule> optimizer(config);
  for (auto& pair : pairs) optimizer.attach(pair->view());
  for (std::size_t k = 0; k < dense.size(); ++k)
    optimizer.attach(lorapro::DenseView<float>{dense[k].data(), grads[k].data(), dense[k].size()});
  std::vector<double> norms;
  std::vector<float> out;
  for (std::uint64_t t = 0; t < 2; ++t) {
    for (auto& pair : pairs) {  // any gradients will do: these cost no dense products
      round_into(random_matrix(pair->A.rows(), pair->A.cols(), 2 * t), pair->grad_A);
      round_into(random_matrix(pair->B.rows(), pair->B.cols(), 2 * t + 1), pair->grad_B);
    }
    const auto report = optimizer.step();
    REQUIRE(report.updated == 27);
    norms.push_back(report.grad_norm);
  }
  const auto append = [&](const auto& m) { out.insert(out.end(), m.data(), m.data() + m.size()); };
  for (auto& pair : pairs) {
    append(pair->A);
    append(pair->B);
  }
  for (auto& w : dense) append(w);
  return {norms, out, state_of(optimizer)};
}

TEMPLATE_TEST_CASE("any number of threads gives the same bits", "[optimizer]", lorapro::AdamWRule,
                   lorapro::MuonRule, lorapro::LoraPro<lorapro::NoMoments>,
                   lorapro::LoraPro<lorapro::FactoredMoments>,
                   lorapro::LoraPro<lorapro::SpectralMoments>,
                   lorapro::LoraPro<lorapro::FullMoments<float>>,
                   lorapro::LoraPro<lorapro::FullMoments<bfloat16>>, lorapro::LoraFaRule,
                   lorapro::LoraMuonRule, lorapro::RefLoraRule<0>, lorapro::RefLoraSRule<0>,
                   lorapro::AltLoraPlusRule, lorapro::AdaPreLoraRule, lorapro::LoraRiteRule,
                   lorapro::LoftRule) {
  const auto one = train<TestType>(1);
  for (const int threads : {2, 3, 8}) {
    CAPTURE(threads);
    const auto many = train<TestType>(threads);
    CHECK(same_bits(many.norms, one.norms));
    CHECK(same_bits(many.parameters, one.parameters));
    CHECK(many.state == one.state);
  }
}

TEST_CASE("without OpenMP a request for threads gets one", "[optimizer]") {
#ifdef _OPENMP
  CHECK(lorapro::thread_count(3) == 3);
  CHECK(lorapro::thread_count(0) >= 1);
#else
  CHECK(lorapro::thread_count(3) == 1);
  CHECK(lorapro::thread_count(0) == 1);
#endif
}

}  // namespace
