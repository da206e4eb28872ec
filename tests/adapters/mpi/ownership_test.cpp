// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/ownership.hpp>

#include <lorapro/lorapro.hpp>

#include "support/random.hpp"

namespace {

using lorapro::Index;
using lorapro::mpi::assign_owners;
using lorapro::mpi::pair_cost;

TEST_CASE("full moments count by m n, other states by (m + n) r", "[mpi]") {
  using CoarseFull = lorapro::LoraPro<lorapro::FullMoments<lorapro::bfloat16>>;
  CHECK(pair_cost<CoarseFull>(100, 30, 4) == 3000);
  CHECK(pair_cost<lorapro::AdamWRule>(100, 30, 4) == 520);
  CHECK(pair_cost<lorapro::LoraPro<lorapro::SpectralMoments>>(100, 30, 4) == 520);
}

TEST_CASE("the largest go first, each to who has least", "[mpi]") {
  CHECK(assign_owners({3, 5, 4, 3, 3}, 2) == std::vector<int>{1, 0, 1, 0, 1});
  CHECK(assign_owners({7, 7, 7}, 2) == std::vector<int>{0, 1, 0});
  CHECK(assign_owners({1, 2}, 4) == std::vector<int>{1, 0});
  CHECK(assign_owners({}, 3).empty());
}

TEST_CASE("no owner has more than the mean and the largest cost", "[mpi]") {
  LORAPRO_TEST_RANDOM(random, 20);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const int ranks = 1 + static_cast<int>(random.bits() % 9);
    std::vector<Index> costs(random.bits() % 40);
    Index total = 0, largest = 0;
    for (Index& cost : costs) {
      cost = 1 + static_cast<Index>(random.bits() % 1000);
      total += cost;
      largest = std::max(largest, cost);
    }
    const auto owners = assign_owners(costs, ranks);
    std::vector<Index> loads(static_cast<std::size_t>(ranks));
    for (std::size_t i = 0; i < costs.size(); ++i)
      loads.at(static_cast<std::size_t>(owners[i])) += costs[i];
    for (const Index load : loads) CHECK(load * ranks <= total + (ranks - 1) * largest);
    CHECK(assign_owners(costs, ranks) == owners);
  }
}

TEST_CASE("seven matrices of thirty-two layers are balanced", "[mpi]") {
  std::vector<Index> costs;
  for (int layer = 0; layer < 32; ++layer) {
    costs.insert(costs.end(), 4, Index{4096} * 4096);
    costs.insert(costs.end(), 3, Index{11008} * 4096);
  }
  double total = 0;
  for (const Index cost : costs) total += static_cast<double>(cost);
  // 96 large pairs of 2.7 small ones: eight ranks get 12 of them and 16 small ones each.
  const auto owners = assign_owners(costs, 8);
  std::vector<double> loads(8);
  for (std::size_t i = 0; i < costs.size(); ++i)
    loads[static_cast<std::size_t>(owners[i])] += static_cast<double>(costs[i]);
  for (const double load : loads) CHECK(load == total / 8);
}

}  // namespace
