// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/run_options.hpp"

#include <algorithm>  // std::reverse
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

using examples::Method;
using Values = std::vector<double>;

/// What a program makes of these arguments.
examples::RunOptions options_of(std::vector<std::string> arguments) {
  examples::RunOptions options;
  CLI::App app;
  examples::add_run_options(app, options);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return options;
}

std::string usage_error_of(const std::vector<std::string>& arguments) {
  return message_of<CLI::ParseError>([&] { options_of(arguments); });
}

TEST_CASE("rates and alphas are lists, for all methods or for each", "[run_options]") {
  const auto options = options_of(
      {"--lr", "1e-3,lora_sgd=0.1:1", "--alpha", "1:4:16,lora_pro_full=2.5,rslora_adamw=8:2:8"});
  CHECK(options.learning_rates.at(Method::lora_adamw) == Values{1e-3});
  CHECK(options.learning_rates.at(Method::lora_sgd) == Values{0.1, 1});
  CHECK(options.learning_rates.at(Method::full_adamw) == Values{1e-3});
  CHECK(options.alphas.at(Method::lora_adamw) == Values{1, 4, 16});
  CHECK(options.alphas.at(Method::lora_pro_full) == Values{2.5});
  CHECK(options.alphas.at(Method::rslora_adamw) == Values{8, 2});
}

TEST_CASE("methods that --alpha leaves out keep the default, and full fine-tuning has none",
          "[run_options]") {
  const auto options = options_of({"--alpha", "lora_adamw=4:64"});
  using Alphas = std::vector<std::optional<double>>;
  CHECK(options.alphas_of(Method::lora_adamw) == Alphas{4, 64});
  CHECK(options.alphas_of(Method::lora_pro_spectral) == Alphas{16});
  CHECK(options.alphas_of(Method::full_adamw) == Alphas{std::nullopt});
  CHECK(options_of({"--alpha", "1:2"}).alphas_of(Method::full_muon) == Alphas{std::nullopt});
  CHECK(options_of({}).alphas_of(Method::lora_sgd) == Alphas{16});
}

TEST_CASE("a method without a rate is named before anything runs", "[run_options]") {
  auto options = options_of({"--methods", "lora_adamw,lora_rite"});
  examples::use_tuned(options, {{Method::lora_adamw, {1e-2}}});
  CHECK(
      message_of<examples::UsageError>([&] { examples::check_rates(options); }) ==
      "--lr: no rate has been tuned for lora_rite here; give one: --lr lora_rite=RATE, or several "
      "to compare: RATE:RATE");
  options = options_of({"--methods", "lora_adamw,lora_rite", "--lr", "lora_rite=1e-3"});
  examples::use_tuned(options, {{Method::lora_adamw, {1e-2}}});
  CHECK_NOTHROW(examples::check_rates(options));
  CHECK(options.learning_rates.at(Method::lora_rite) == Values{1e-3});
}

TEST_CASE("a smoke run is of all methods that have a rate", "[run_options]") {
  CLI::App app;
  examples::RunOptions options;
  examples::add_run_options(app, options);
  examples::use_tuned(options, {{Method::lora_adamw, {1e-2}}, {Method::lora_fa, {1e-2}}});
  examples::shrink_runs(app, options, 2, 12);
  CHECK(options.methods == std::vector<Method>{Method::lora_adamw, Method::lora_fa});
}

TEST_CASE("bad rates and alphas are refused in one line", "[run_options]") {
  CHECK(usage_error_of({"--lr", "0"}) == "--lr: '0' is not a learning rate above 0");
  CHECK(usage_error_of({"--lr", "full=1"}).find("--lr: there is no method 'full'") == 0);
  for (const std::string bad : {"0", "-4", "nan", "1e7", "x", "1x"}) {
    const std::string message = "--alpha: '" + bad + "' is not an alpha from 1e-06 to 1e+06";
    CHECK(usage_error_of({"--alpha", "4:" + bad}) == message);
    CHECK(usage_error_of({"--alpha", "8,lora_sgd=" + bad}) == message);
  }
  CHECK(usage_error_of({"--alpha", "lora_sgd="}) ==
        "--alpha: '' is not an alpha from 1e-06 to 1e+06");
  CHECK(usage_error_of({"--alpha", "lora=1"}).find("--alpha: there is no method 'lora'") == 0);
  CHECK(usage_error_of({"--alpha", "full_adamw=1"}) == "--alpha: full_adamw has no adapters");
}

TEST_CASE("an adapter has the alpha and the seed of its run", "[run_options]") {
  const auto options = options_of({"--rank", "4", "--alpha", "2:8"});
  const examples::RunKey key{"lora_adamw", 1e-3, 3, {{"alpha", 8}}};
  const auto config = options.lora_config(Method::lora_adamw, key, 5);
  CHECK(config.lora_alpha == 8);
  CHECK(config.rank == 4);
  CHECK(config.seed == 3005);
  CHECK_FALSE(config.use_rslora);
  CHECK(options.lora_config(Method::rslora_adamw, key, 5).use_rslora);
}

}  // namespace
