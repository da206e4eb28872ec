// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/parameter_checks.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::mpi::detail::Parameter;

TEST_CASE("a W0 that decays is one parameter's", "[mpi]") {
  const float W[2] = {};
  std::vector<Parameter> parameters(4);
  const char* const names[] = {"a", "b", "c", "d"};
  for (std::size_t i = 0; i < 4; ++i) parameters[i].name = names[i];
  parameters[0].base_weight = const_cast<float*>(W);
  parameters[1].base_weight = const_cast<float*>(W + 1);
  parameters[2].base_weight = const_cast<float*>(W);
  const auto check = [&](const std::string& decaying) {
    lorapro::mpi::detail::require_sole_bases(
        parameters, [&](const Parameter& parameter) { return parameter.name == decaying; });
  };
  CHECK_NOTHROW(check(""));
  CHECK_NOTHROW(check("b"));
  CHECK_NOTHROW(check("d"));
  CHECK_THROWS_WITH(check("a"),
                    "decay_target: expected a sole W0 for merged decay, got one shared with a");
  CHECK_THROWS_AS(check("c"), lorapro::ConfigError);
}

TEST_CASE("ranks with other options are told apart", "[mpi]") {
  const lorapro::mpi::Communicator communicator(MPI_COMM_WORLD);
  std::vector<Parameter> parameters(2);
  parameters[0].name = "one";
  CHECK_NOTHROW(lorapro::mpi::detail::compare_descriptions(communicator, parameters, 7));
  const auto rank = static_cast<std::uint64_t>(communicator.rank());
  if (communicator.size() == 1) return;
  CHECK_THROWS_AS(lorapro::mpi::detail::compare_descriptions(communicator, parameters, rank),
                  lorapro::ReplicaError);
  parameters[1].name = std::to_string(rank);
  CHECK_THROWS_AS(lorapro::mpi::detail::compare_descriptions(communicator, parameters, 7),
                  lorapro::ReplicaError);
}

}  // namespace
