// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/distributed_config.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

TEST_CASE("each field of the options has a message of its own", "[mpi]") {
  lorapro::mpi::DistributedConfig config;
  CHECK_NOTHROW(config.validate());
  config.check_every = -1;
  CHECK(message_of<lorapro::ConfigError>([&] { config.validate(); }) ==
        "check_every: expected a number >= 0, got -1");
  config.bucket_bytes = 0;
  CHECK(message_of<lorapro::ConfigError>([&] { config.validate(); }) ==
        "bucket_bytes: expected a number >= 1, got 0");
}

TEST_CASE("a ring sends two shares of a sum and one of a gather", "[mpi]") {
  const lorapro::mpi::StepTraffic traffic{1000, 24, 512};
  CHECK(traffic.ring_bytes_sent(1) == 0);
  CHECK(traffic.ring_bytes_sent(2) == 1024 + 256);
  CHECK(traffic.ring_bytes_sent(4) == 1536 + 384);
}

}  // namespace
