// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_config.hpp>

#include <limits>  // std::numeric_limits

#include "support/catch.hpp"

namespace {

using lorapro::LoraConfig;
using lorapro::LoraInit;

TEST_CASE("[trap] scaling is alpha over rank or over its root", "[lora_config][trap]") {
  LoraConfig config;
  CHECK(config.scaling() == 2);  // 16 / 8
  config.rank = 16;
  config.lora_alpha = 24;
  CHECK(config.scaling() == 1.5);
  config.use_rslora = true;
  CHECK(config.scaling() == 6);
  config.lora_alpha = -8;
  CHECK(config.scaling() == -2);
}

TEST_CASE("defaults are valid", "[lora_config]") {
  const LoraConfig config;
  CHECK_NOTHROW(config.validate());
  CHECK(config.rank == 8);
  CHECK(config.lora_alpha == 16);
  CHECK_FALSE(config.use_rslora);
  CHECK(config.init == LoraInit::kaiming_uniform);
  CHECK(config.lora_dropout == 0);
}

template <typename Change>
void refused(const Change& change, const std::string& message) {
  LoraConfig config;
  change(config);
  CHECK_THROWS_WITH(config.validate(), message);
  CHECK_THROWS_AS(config.validate(), lorapro::ConfigError);
}

TEST_CASE("every field is validated with a message of its own", "[lora_config]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  refused([](LoraConfig& c) { c.rank = 0; }, "rank: expected a number >= 1, got 0");
  refused([](LoraConfig& c) { c.rank = -3; }, "rank: expected a number >= 1, got -3");
  refused([](LoraConfig& c) { c.lora_alpha = 0; },
          "lora_alpha: expected a finite number other than 0, got 0");
  refused([=](LoraConfig& c) { c.lora_alpha = nan; },
          "lora_alpha: expected a finite number other than 0, got nan");
  refused([=](LoraConfig& c) { c.lora_alpha = -infinity; },
          "lora_alpha: expected a finite number other than 0, got -inf");
  refused([](LoraConfig& c) { c.lora_dropout = 1; },
          "lora_dropout: expected a number in [0, 1), got 1");
  refused([](LoraConfig& c) { c.lora_dropout = -0.5; },
          "lora_dropout: expected a number in [0, 1), got -0.5");
  refused([=](LoraConfig& c) { c.lora_dropout = nan; },
          "lora_dropout: expected a number in [0, 1), got nan");
  refused(
      [](LoraConfig& c) {
        c.rank = 3;
        c.init = LoraInit::orthogonal;
      },
      "rank: expected an even number for orthogonal initialisation, got 3");
}

TEST_CASE("the ends of the ranges are valid", "[lora_config]") {
  LoraConfig config;
  config.rank = 1;
  config.lora_alpha = -1e-3;
  config.lora_dropout = 0.999;
  CHECK_NOTHROW(config.validate());
  config.rank = 2;
  config.init = LoraInit::orthogonal;
  CHECK_NOTHROW(config.validate());
}

}  // namespace
