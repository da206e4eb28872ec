// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/adapter_rounding.hpp>

#include <limits>

#include "support/adapter_modules.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::RowMatrix;
using lorapro::StorageType;
using lorapro::io::AdapterModule;
using lorapro::io::AdapterModules;
using lorapro::io::AdapterWriteReport;
using lorapro::io::kLargestFactorLoss;
using lorapro::io::detail::ModuleRoundings;
using lorapro::io::detail::percent_text;

/// A module of random factors of these deviations.
AdapterModule sized_module(support::Random& random, const std::string& path, double a, double b) {
  AdapterModule out = support::random_module(random, path, 20, 30, 4, 8);
  const RowMatrix<float> A = static_cast<float>(a) * out.lora_A();
  const RowMatrix<float> B = static_cast<float>(b) * out.lora_B();
  out.lora_A = [A] { return A; };
  out.lora_B = [B] { return B; };
  return out;
}

TEST_CASE("modules of every size in F16, and what is reported", "[adapter_rounding]") {
  LORAPRO_TEST_RANDOM(random, 1);
  const AdapterModules modules{
      sized_module(random, "usual", 0.1, 0.1), sized_module(random, "balanced", 0.1, 1e-7),
      sized_module(random, "lossy", 2e-6, 3e-6), sized_module(random, "untrained", 0.1, 0)};
  const std::vector<double> ones(4, 1);
  AdapterWriteReport report;
  const ModuleRoundings roundings(modules, StorageType::f16, kLargestFactorLoss, ones, report);
  REQUIRE_FALSE(report.balanced.empty());
  CHECK(report.balanced[0] == "balanced");
  CHECK(report.balanced.back() != "untrained");
  REQUIRE(report.lossy.size() == 1);
  CHECK(report.lossy[0].path == "lossy");
  CHECK(report.lossy[0].loss > 5e-3);
  CHECK(report.lossy[0].loss < kLargestFactorLoss);
  CHECK(roundings.lora_A(0, modules[0].lora_A()) == modules[0].lora_A());
  CHECK(roundings.lora_B(0, modules[0].lora_B()) == modules[0].lora_B());
  const support::RealMatrix came =
      reference::product(reference::real(roundings.lora_B(1, modules[1].lora_B())),
                         reference::real(roundings.lora_A(1, modules[1].lora_A())));
  const support::RealMatrix exact = reference::product(reference::real(modules[1].lora_B()),
                                                       reference::real(modules[1].lora_A()));
  CHECK((came - exact).cwiseAbs().maxCoeff() == 0);  // powers of two
  CHECK(roundings.lora_B(1, modules[1].lora_B()).cwiseAbs().maxCoeff() > 1e-5F);

  AdapterWriteReport none;
  CHECK_THROWS_WITH(
      ModuleRoundings(modules, StorageType::f16, 1e-3, ones, none),
      contains_text("lossy: expected to lose at most 0.1 % of the norm of s B A in F16"));
  AdapterWriteReport wide;
  const ModuleRoundings in_bf16(modules, StorageType::bf16, kLargestFactorLoss, ones, wide);
  CHECK(wide.lossy.empty());
  CHECK(wide.balanced.empty());
}

TEST_CASE("a loss above the bound is refused unless it is allowed", "[adapter_rounding]") {
  LORAPRO_TEST_RANDOM(random, 2);
  const AdapterModules modules{sized_module(random, "small", 1e-7, 1e-7)};
  AdapterWriteReport report;
  CHECK_THROWS_AS(ModuleRoundings(modules, StorageType::f16, kLargestFactorLoss, {1}, report),
                  ConfigError);
  CHECK_NOTHROW(ModuleRoundings(modules, StorageType::f16, 1, {1}, report));
  CHECK(report.lossy.size() == 1);
}

TEST_CASE("numbers that are not finite are refused by name", "[adapter_rounding]") {
  LORAPRO_TEST_RANDOM(random, 3);
  const double allowed = std::numeric_limits<double>::infinity();
  const auto refused = [&](const AdapterModule& module, const std::string& message) {
    AdapterWriteReport report;
    CHECK_THROWS_WITH(ModuleRoundings({module}, StorageType::f16, allowed, {1}, report),
                      contains_text(message));
  };
  AdapterModule bad = sized_module(random, "m", 1, 1);
  bad.lora_B = [] {
    RowMatrix<float> B = RowMatrix<float>::Ones(20, 4);
    B(3, 2) = std::numeric_limits<float>::quiet_NaN();
    return B;
  };
  refused(bad, "m.lora_B: expected numbers that are finite in F32");
  refused(sized_module(random, "m", 1e6, 1e6), "m.lora_A: expected numbers that are finite in F16");
  AdapterModule other = sized_module(random, "m", 1, 1);
  other.rank = 3;
  AdapterWriteReport report;
  CHECK_THROWS_AS(ModuleRoundings({other}, StorageType::f16, allowed, {1}, report),
                  lorapro::ShapeError);
}

TEST_CASE("a factor on lora_B is part of what is rounded", "[adapter_rounding]") {
  LORAPRO_TEST_RANDOM(random, 4);
  const AdapterModules modules{sized_module(random, "m", 1, 1)};
  for (const double factor : {1e-42, 1e-8, 3.0, 1e42}) {
    CAPTURE(factor);
    AdapterWriteReport report;
    const ModuleRoundings roundings(modules, StorageType::f32, kLargestFactorLoss, {factor},
                                    report);
    CHECK(report.lossy.empty());
    const support::RealMatrix came =
        reference::product(reference::real(roundings.lora_B(0, modules[0].lora_B())),
                           reference::real(roundings.lora_A(0, modules[0].lora_A())));
    const support::RealMatrix exact =
        support::Real(factor) * reference::product(reference::real(modules[0].lora_B()),
                                                   reference::real(modules[0].lora_A()));
    CHECK((came - exact).norm() <= support::Real(2e-7) * exact.norm());
  }
  AdapterWriteReport report;
  const ModuleRoundings zero(modules, StorageType::f32, kLargestFactorLoss, {0}, report);
  CHECK(zero.lora_B(0, modules[0].lora_B()).isZero(0));
}

TEST_CASE("what is float already is not read before it is written", "[adapter_rounding]") {
  AdapterModule module;
  module.lora_A = module.lora_B = []() -> RowMatrix<float> { throw ConfigError("asked for"); };
  AdapterWriteReport report;
  CHECK_NOTHROW(ModuleRoundings({module}, StorageType::f32, 0, {1}, report));
  CHECK_THROWS_WITH(ModuleRoundings({module}, StorageType::bf16, 0, {1}, report), "asked for");
}

TEST_CASE("parts as text", "[adapter_rounding]") {
  CHECK(percent_text(0.05) == "5 %");
  CHECK(percent_text(0.00617) == "0.62 %");
  CHECK(percent_text(std::numeric_limits<double>::infinity()) == "all");
}

}  // namespace
