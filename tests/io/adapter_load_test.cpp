// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/adapter_load.hpp>

#include "support/adapter_modules.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::FormatError;
using lorapro::RowMatrix;
using lorapro::ShapeError;
using lorapro::io::AdapterModules;
using lorapro::io::load_adapter;
using support::random_module;

template <typename Scalar>
struct Model {
  Model() {
    lorapro::LoraConfig config;
    config.rank = 3;
    config.lora_alpha = 6;
    for (auto* const layer : {&q, &v})
      *layer = lorapro::LoraLayer<Scalar>(lorapro::BaseWeight<Scalar>::own(W), config);
  }
  std::map<std::string, lorapro::LoraLayer<Scalar>*> layers() { return {{"l.q", &q}, {"l.v", &v}}; }

  RowMatrix<Scalar> W = RowMatrix<Scalar>::Zero(5, 7);
  lorapro::LoraLayer<Scalar> q{lorapro::BaseWeight<Scalar>::own(W), {}};
  lorapro::LoraLayer<Scalar> v{lorapro::BaseWeight<Scalar>::own(W), {}};
};

TEMPLATE_TEST_CASE("an adapter goes into the layers of its paths", "[adapter_load]", float,
                   double) {
  LORAPRO_TEST_RANDOM(random, 7);
  Model<TestType> model;
  const AdapterModules modules{random_module(random, "l.q", 5, 7, 3, 6),
                               random_module(random, "l.k", 5, 7, 3, 6)};
  const RowMatrix<TestType> before = model.v.lora_A();
  const auto report = load_adapter(modules, model.layers());
  CHECK(report.matched == std::vector<std::string>{"l.q"});
  CHECK(report.missing == std::vector<std::string>{"l.v"});
  CHECK(report.left_over == std::vector<std::string>{"l.k"});
  CHECK_FALSE(report.complete());
  CHECK(model.q.lora_A() == modules[0].lora_A().template cast<TestType>());
  CHECK(model.q.lora_B() == modules[0].lora_B().template cast<TestType>());
  CHECK(model.v.lora_A() == before);
  CHECK(load_adapter({modules[0], random_module(random, "l.v", 5, 7, 3, 6)}, model.layers())
            .complete());
}

TEST_CASE("rsLoRA in the file fits a layer of the same scaling", "[adapter_load]") {
  LORAPRO_TEST_RANDOM(random, 8);
  Model<float> model;
  const double alpha = 2 * std::sqrt(3.0);  // 2 = 6 / 3
  CHECK(load_adapter({random_module(random, "l.q", 5, 7, 3, alpha, true)}, model.layers())
            .matched.size() == 1);
}

TEST_CASE("no layer changes where one does not fit", "[adapter_load]") {
  LORAPRO_TEST_RANDOM(random, 9);
  Model<float> model;
  const RowMatrix<float> before = model.q.lora_A();
  const auto good = random_module(random, "l.q", 5, 7, 3, 6);
  const auto refused = [&](const lorapro::io::AdapterModule& bad, const std::string& message) {
    CHECK_THROWS_WITH(load_adapter({good, bad}, model.layers()), contains_text(message));
    CHECK(model.q.lora_A() == before);
  };
  refused(random_module(random, "l.v", 6, 7, 3, 6), "l.v: expected (5, 7), got (6, 7)");
  refused(random_module(random, "l.v", 5, 7, 2, 4), "l.v: expected rank 3");
  refused(random_module(random, "l.v", 5, 7, 3, 6.1), "l.v: expected scaling 2.000000");
  auto broken = random_module(random, "l.v", 5, 7, 3, 6);
  broken.lora_B = []() -> RowMatrix<float> { throw FormatError("broken"); };
  refused(broken, "broken");
  model.v.merge();
  refused(random_module(random, "l.v", 5, 7, 3, 6), "l.v: expected an unmerged layer");
}

}  // namespace
