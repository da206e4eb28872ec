// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/optimizer.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>

#include <vector>  // std::vector

#include "support/step_case.hpp"

namespace {

using bench::Index;

/// The query, key, value, output and two further matrices of 12 layers, all of one shape: work that
/// threads share by the pair.
constexpr Index kPairs = 72;

template <typename Rule>
std::function<void()> model_step(const bench::Shape& shape, Index pairs, int threads) {
  struct Fixture {
    Fixture(const bench::Shape& s, Index count, int thread_count)
        : pairs(static_cast<std::size_t>(count), bench::PairData(s)),
          optimizer(bench::step_config(thread_count)) {
      for (bench::PairData& pair : pairs) optimizer.attach(pair.view());
    }
    std::vector<bench::PairData> pairs;
    lorapro::Optimizer<float, Rule> optimizer;
  };
  auto fixture = std::make_shared<Fixture>(shape, pairs, threads);
  return [fixture, pairs] {
    const lorapro::StepReport report = fixture->optimizer.step();
    if (report.updated != pairs) throw std::runtime_error("step: a pair was skipped");
  };
}

/// Registers "step/<kind>/f32/<pairs>x<shape>" for a model and, for the smoke run, a small one.
template <typename Rule>
void add_model_steps(const std::string& kind, double flops_per_element_and_rank,
                     double moment_bytes) {
  for (const auto& [shape, pairs] :
       {std::pair{bench::Shape{96, 96, 8}, Index{3}}, std::pair{bench::Shape{768, 768, 8}, kPairs},
        std::pair{bench::Shape{768, 768, 16}, kPairs}}) {
    bench::Work work;
    const auto count = static_cast<double>(pairs);
    work.flops = work.least_f32 =
        count * flops_per_element_and_rank * static_cast<double>(shape.rank) * shape.elements();
    work.bytes = work.least_bytes = count * 4 * moment_bytes * shape.elements();
    for (int threads = 1; threads <= bench::max_threads(); ++threads)
      bench::add(
          "step/" + kind + "/f32/" + std::to_string(pairs) + "x" + shape.name(), work,
          [shape = shape, pairs = pairs, threads] {
            return model_step<Rule>(shape, pairs, threads);
          },
          threads);
  }
}

/// Registers "step/<kind>/f32/<pairs>x16x16/r2": what a step takes per pair where pairs are so
/// small that their own work does not count, as with adapters on every expert of a mixture.
template <typename Rule>
void add_small_pairs(const std::string& kind) {
  for (const Index pairs : {1, 1000, 100000}) {
    const bench::Shape shape{16, 16, 2};
    bench::add("step/" + kind + "/f32/" + std::to_string(pairs) + "x" + shape.name(), {},
               [=] { return model_step<Rule>(shape, pairs, 1); });
  }
}

/// Registers "attach/<kind>/f32/<pairs>x16x16/r2": an optimizer is made, and pairs attached to it.
template <typename Rule>
void add_attach(const std::string& kind) {
  for (const Index pairs : {1, 1000, 100000}) {
    const bench::Shape shape{16, 16, 2};
    bench::add("attach/" + kind + "/f32/" + std::to_string(pairs) + "x" + shape.name(), {}, [=] {
      const std::vector<bench::PairData> data(static_cast<std::size_t>(pairs),
                                              bench::PairData(shape));
      auto fixture = std::make_shared<std::vector<bench::PairData>>(data);
      return [fixture] {
        lorapro::Optimizer<float, Rule> optimizer(bench::step_config(1));
        for (bench::PairData& pair : *fixture) optimizer.attach(pair.view());
      };
    });
  }
}

const bool registered = bench::add_all([] {
  add_model_steps<lorapro::AdamWRule>("lora_adamw", 0, 0);
  add_model_steps<lorapro::LoraPro<lorapro::AdapterMoments>>("adapter", 0, 0);
  add_model_steps<lorapro::LoraPro<lorapro::FullMoments<float>>>("full", 8, 4);
  add_small_pairs<lorapro::AdamWRule>("lora_adamw");
  add_small_pairs<lorapro::LoraPro<lorapro::SpectralMoments>>("spectral");
  add_attach<lorapro::AdamWRule>("lora_adamw");
  add_attach<lorapro::LoraPro<lorapro::SpectralMoments>>("spectral");
});

}  // namespace
