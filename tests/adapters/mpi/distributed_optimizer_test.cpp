// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "adapters/mpi/replica_state.hpp"
#include "support/message_of.hpp"

namespace {

using namespace mpi_tests;
using lorapro::AdjustStatus;
using lorapro::mpi::DistributedConfig;
using lorapro::mpi::DistributedOptimizer;
using lorapro::mpi::NonFinite;
using lorapro::mpi::Reduction;

/// Gradients whose sums are exact, so that an optimizer with everything gets the same bits.
template <typename T, typename Rule>
void check_like_whole(const Parts& parts, const lorapro::OptimizerConfig& config, int steps) {
  const int size = world_size();
  Model<T> replica(parts), reference(parts);
  DistributedConfig distributed;
  distributed.bucket_bytes = 600;  // several buckets
  distributed.check_every = 1;
  DistributedOptimizer<T, Rule> optimizer(MPI_COMM_WORLD, config, distributed);
  replica.attach(optimizer);
  optimizer.distribute();
  lorapro::Optimizer<T, Rule> whole(config);
  reference.attach(whole);
  for (int t = 1; t <= steps; ++t) {
    CAPTURE(t);
    replica.set_gradients(t, world_rank() * share_of(size), share_of(size), Numbers::exact);
    reference.set_gradients(t, 0, kSamples, Numbers::exact);
    const auto report = optimizer.step({4.0, 2});
    const auto expected = whole.step({4.0, Index{2} * size});
    CHECK(report.updated == expected.updated);
    CHECK(report.grad_norm == expected.grad_norm);
    CHECK(report.clip_factor == expected.clip_factor);
    CHECK(report.rank_deficient == expected.rank_deficient);
    REQUIRE(replica.same(reference));
    optimizer.zero_grad();
    replica.for_each_gradient([](const auto& gradient) {
      const std::decay_t<decltype(gradient)> zero = gradient - gradient;
      REQUIRE(gradient == zero);
    });
  }
  CHECK(state_is_part(optimizer.local(), whole));
  // All state is somewhere, and once.
  std::uint64_t bytes = optimizer.state_bytes();
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
  CHECK(bytes == whole.state_bytes());
}

template <typename T, typename Rule>
void check_rule() {
  lorapro::OptimizerConfig config = options();
  check_like_whole<T, Rule>({}, config, 5);
  config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
  check_like_whole<T, Rule>({4, true, true, true}, config, 5);
}

TEST_CASE("given the same sums, a sharded optimizer has the bits of a whole one", "[mpi]") {
  SECTION("AdamW") { check_rule<float, lorapro::AdamWRule>(); }
  SECTION("efficient") { check_rule<float, lorapro::LoraPro<lorapro::AdapterMoments>>(); }
  SECTION("full") { check_rule<double, lorapro::LoraPro<lorapro::FullMoments<double>>>(); }
  SECTION("full, rounded at random") {
    check_rule<float, lorapro::LoraPro<lorapro::FullMoments<bfloat16>>>();
  }
  SECTION("spectral") { check_rule<double, lorapro::LoraPro<lorapro::SpectralMoments>>(); }
  SECTION("Muon") { check_rule<double, lorapro::MuonRule>(); }
}

TEST_CASE("any number of parameters goes with any number of ranks", "[mpi]") {
  for (std::size_t pairs = 0; pairs <= 7; ++pairs)
    for (const bool others : {false, true}) {
      CAPTURE(pairs, others);
      check_like_whole<float, lorapro::LoraPro<lorapro::FullMoments<float>>>(
          {pairs, others, others, false}, options(), 2);
    }
}

/// Gradients with any numbers: W ranks with b samples each against one rank with W b.
template <typename Rule>
void check_like_one_rank() {
  using T = double;
  const Parts parts{4, false, true, false};
  const int size = world_size();
  Model<T> replica(parts), again(parts), reference(parts);
  lorapro::OptimizerConfig config = options();
  DistributedOptimizer<T, Rule> optimizer(MPI_COMM_WORLD, config), second(MPI_COMM_WORLD, config);
  replica.attach(optimizer);
  optimizer.distribute();
  again.attach(second);
  second.distribute();
  lorapro::Optimizer<T, Rule> whole(config);
  reference.attach(whole);
  const Model<T> start(parts);
  const Index share = share_of(size);
  for (int t = 1; t <= 7; ++t) {
    CAPTURE(t);
    for (Model<T>* const model : {&replica, &again})
      model->set_gradients(t, world_rank() * share, share, Numbers::any,
                           static_cast<double>(share));
    reference.set_gradients(t, 0, kSamples, Numbers::any, kSamples);
    const Index updated = optimizer.step().updated;
    CHECK(updated == whole.step().updated);
    CHECK(second.step().updated == updated);
    CHECK(replica.distance(reference) < 1e-11);
    // The same number of ranks gives the same bits.
    CHECK(replica.same(again));
  }
  CHECK(replica.distance(start) > 1e-3);
}

TEST_CASE("W ranks with b samples are one rank with W b, to rounding", "[mpi]") {
  SECTION("AdamW") { check_like_one_rank<lorapro::AdamWRule>(); }
  SECTION("full") { check_like_one_rank<lorapro::LoraPro<lorapro::FullMoments<double>>>(); }
  SECTION("efficient") { check_like_one_rank<lorapro::LoraPro<lorapro::AdapterMoments>>(); }
  SECTION("spectral") { check_like_one_rank<lorapro::LoraPro<lorapro::SpectralMoments>>(); }
  SECTION("Muon") { check_like_one_rank<lorapro::MuonRule>(); }
}

using Full = lorapro::LoraPro<lorapro::FullMoments<float>>;

TEST_CASE("what is not finite on one rank is skipped on all", "[mpi]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const int size = world_size();
  for (int poisoned = 0; poisoned < size; ++poisoned)
    for (const bool opposite : {false, true}) {
      CAPTURE(poisoned, opposite);
      Model<float> replica, reference;
      DistributedConfig distributed;
      distributed.reduction = Reduction::sum;
      distributed.check_every = 1;
      DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, options(), distributed);
      replica.attach(optimizer);
      optimizer.distribute();
      lorapro::Optimizer<float, Full> whole(options());
      reference.attach(whole);
      for (int t = 1; t <= 3; ++t) {
        replica.set_gradients(t, world_rank() * share_of(size), share_of(size), Numbers::exact);
        reference.set_gradients(t, 0, kSamples, Numbers::exact);
        if (t == 2) {
          // Infinities that cancel are a NaN in the sum.
          if (world_rank() == poisoned)
            replica.pairs[1].grad_B(3, 1) = opposite ? kInfinity : std::nanf("");
          if (opposite && world_rank() == (poisoned + 1) % size && size > 1)
            replica.pairs[1].grad_B(3, 1) = -kInfinity;
          reference.pairs[1].grad_B(3, 1) = std::nanf("");
        }
        const auto report = optimizer.step();
        CHECK(report.updated == whole.step().updated);
        CHECK(report.skipped_non_finite == (t == 2 ? 1 : 0));
        CHECK((optimizer.status(lorapro::PairId{1}) == AdjustStatus::non_finite) == (t == 2));
        CHECK(optimizer.status(lorapro::PairId{0}) != AdjustStatus::non_finite);
        CHECK(replica.same(reference));
      }
      CHECK(state_is_part(optimizer.local(), whole));
    }
}

TEST_CASE("or it stops all, before anything is written", "[mpi]") {
  Model<float> replica;
  DistributedConfig distributed;
  distributed.non_finite = NonFinite::stop;
  DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, options(), distributed);
  replica.attach(optimizer);
  optimizer.distribute();
  const int size = world_size();
  const auto gradients = [&](int t) {
    replica.set_gradients(t, world_rank() * share_of(size), share_of(size), Numbers::exact);
  };
  gradients(1);
  CHECK(optimizer.step().updated == 7);
  gradients(2);
  if (world_rank() == size - 1) replica.grad_vector(0, 5) = std::nanf("");
  const Model<float> before = replica;
  const Snapshot state = state_of(optimizer.local());
  CHECK(message_of<lorapro::PeerError>([&] { static_cast<void>(optimizer.step()); }) ==
        "gradient: expected finite numbers in \"vector\", got others on some rank");
  CHECK(replica.same(before));
  CHECK(state_of(optimizer.local()) == state);
  CHECK(optimizer.step_count() == 1);
  gradients(3);
  CHECK(optimizer.step().updated == 7);
}

TEST_CASE("gradients may be said to be ready in any order, or not at all", "[mpi]") {
  Model<float> replica, other;
  DistributedConfig distributed;
  distributed.bucket_bytes = 1;  // one for each parameter
  DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, options(), distributed),
      plain(MPI_COMM_WORLD, options());
  replica.attach(optimizer);
  other.attach(plain);
  CHECK_THROWS_AS(optimizer.gradient_ready(lorapro::PairId{0}), lorapro::StateError);
  CHECK_THROWS_AS(optimizer.step(), lorapro::StateError);
  CHECK_THROWS_AS(optimizer.traffic(), lorapro::StateError);
  optimizer.distribute();
  plain.distribute();
  CHECK_THROWS_AS(optimizer.distribute(), lorapro::StateError);
  CHECK_THROWS_AS(other.attach(plain), lorapro::StateError);
  CHECK(optimizer.bucket_count() == 7);
  CHECK(plain.bucket_count() == 1);
  const int size = world_size();
  for (int t = 1; t <= 4; ++t) {
    for (Model<float>* const model : {&replica, &other})
      model->set_gradients(t, world_rank() * share_of(size), share_of(size), Numbers::exact);
    // Another order on every rank.
    for (Index i = 0; i < t; ++i) optimizer.gradient_ready(lorapro::PairId{(i + world_rank()) % 5});
    optimizer.gradient_ready(lorapro::DenseId{world_rank() % 2});
    if (t == 1) {
      CHECK_THROWS_AS(optimizer.gradient_ready(lorapro::PairId{world_rank() % 5}),
                      lorapro::StateError);
      CHECK_THROWS_AS(optimizer.gradient_ready(lorapro::PairId{5}), lorapro::StateError);
      CHECK_THROWS_AS(optimizer.gradient_ready(lorapro::DenseId{-1}), lorapro::StateError);
      optimizer.begin_all_reduce();
    }
    CHECK(optimizer.step().updated == 7);
    CHECK(plain.step().updated == 7);
    CHECK(replica.same(other));
  }
}

TEST_CASE("ranks start from the values of rank 0", "[mpi]") {
  Model<float> replica;
  const Model<float> original;
  if (world_rank() > 0) {
    replica.pairs[2].A.setZero();
    replica.coarse.B.setZero();
    replica.vector.setZero();
  }
  DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD);
  replica.attach(optimizer);
  optimizer.distribute();
  CHECK(replica.same(original));
}

TEST_CASE("a tampered replica is found and named", "[mpi]") {
  if (world_size() == 1) return;
  const int culprit = world_size() - 1;
  for (const bool base : {false, true}) {
    Model<float> replica({4, true, true, true});
    DistributedConfig distributed;
    distributed.check_every = 2;
    DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, options(), distributed);
    replica.attach(optimizer);
    optimizer.distribute();
    replica.set_gradients(1, 0, 1, Numbers::exact);
    // What a rank does not own, since that comes anew after every step.
    std::size_t pair = base ? 0 : 1;
    while (!base && optimizer.owner(lorapro::PairId{static_cast<Index>(pair)}) == culprit) ++pair;
    if (world_rank() == culprit && base) replica.base(5, 5) += 1e-6F;
    const auto tamper = [&] {
      if (world_rank() == culprit && !base) replica.pairs[pair].B(0, 1) += 1e-6F;
    };
    const std::string expected = "rank " + std::to_string(culprit) +
                                 ": expected the bits of \"pair." + std::to_string(pair) +
                                 "\" that the other ranks have, got others";
    CHECK(optimizer.step().updated == 7);  // not looked at
    tamper();
    CHECK(message_of<lorapro::ReplicaError>([&] { optimizer.check_replicas(); }) == expected);
    if (base) {
      CHECK(message_of<lorapro::ReplicaError>([&] { static_cast<void>(optimizer.step()); }) ==
            expected);
    } else {
      CHECK(optimizer.step().updated == 7);  // the owner's values have mended it
      CHECK_NOTHROW(optimizer.check_replicas());
    }
  }
}

TEST_CASE("ranks that are not set up alike are refused", "[mpi]") {
  if (world_size() == 1) return;
  const bool odd = world_rank() == 1;
  const auto message = [&](const Parts& parts, const lorapro::OptimizerConfig& config,
                           const std::string& name) {
    Model<float> replica(parts);
    DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, config);
    replica.attach(optimizer);
    RowMatrix<float> w = RowMatrix<float>::Zero(1, 4), g = w;
    optimizer.attach(lorapro::DenseView<float>{w.data(), g.data(), 4}, {}, name);
    return message_of<lorapro::ReplicaError>([&] { optimizer.distribute(); });
  };
  CHECK(message({odd ? std::size_t{3} : std::size_t{4}, true, true, false}, {}, "") ==
        "rank 1: expected the number of parameters that the other ranks have, got others");
  lorapro::OptimizerConfig config;
  if (odd) config.group.lr = 0.5;
  CHECK(message({}, config, "") ==
        "rank 1: expected the options that the other ranks have, got others");
  CHECK_THAT(message({}, {}, odd ? "one" : "other"),
             contains_text("rank 1: expected the parameter that the other ranks have, got"));
}

TEST_CASE("merged decay is refused on all ranks where it cannot be", "[mpi]") {
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  config.group.decay_target = lorapro::DecayTarget::merged;
  {
    Model<float> replica({2, false, false, false});
    DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, config);
    replica.attach(optimizer);
    CHECK_THROWS_AS(optimizer.distribute(), lorapro::Error);  // PeerError where nothing is owned
  }
  Model<float> replica({5, false, false, false});
  DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, config);
  for (const std::size_t i : {std::size_t{0}, std::size_t{4}}) {  // of one shape
    auto view = replica.pairs[i].view();
    view.base_weight = replica.base.data();
    optimizer.attach(view);
  }
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { optimizer.distribute(); }),
             contains_text("expected a sole W0 for merged decay, got one shared with pair."));
}

TEST_CASE("bad arguments are refused at once", "[mpi]") {
  DistributedConfig distributed;
  distributed.bucket_bytes = 0;
  using Optimizer = DistributedOptimizer<float, Full>;
  CHECK_THROWS_AS(Optimizer(MPI_COMM_WORLD, {}, distributed), lorapro::ConfigError);
  Optimizer optimizer(MPI_COMM_WORLD);
  Model<float> model({2, false, false, false});
  auto view = model.pairs[0].view();
  CHECK_THROWS_AS(optimizer.attach(view, lorapro::GroupId{1}), lorapro::StateError);
  optimizer.attach(view, {}, "name");
  CHECK_THROWS_AS(optimizer.attach(view, {}, "other"), lorapro::ShapeError);
  CHECK_THROWS_AS(optimizer.attach(model.pairs[1].view(), {}, "name"), lorapro::ConfigError);
  view.grad_A.cols = 3;
  CHECK_THROWS_AS(optimizer.attach(view), lorapro::ShapeError);
  optimizer.distribute();
  CHECK_THROWS_AS(optimizer.step({0.0, 1}), lorapro::ConfigError);
  CHECK_THROWS_AS(optimizer.step({1.0, 0}), lorapro::ConfigError);
  CHECK(optimizer.step().updated == 1);
}

TEST_CASE("traffic is what was counted by hand", "[mpi]") {
  Model<float> replica;
  DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD);
  replica.attach(optimizer);
  optimizer.distribute();
  // (24 + 17) 3 + (9 + 40) 2 + (12 + 8) 2 + (30 + 30) 5 of pairs in float, (10 + 14) 2 in bfloat16.
  const Index floats = 123 + 98 + 40 + 300 + 33 + 60, coarse = 48;
  const auto traffic = optimizer.traffic();
  CHECK(traffic.reduced == 4 * (floats + coarse));
  CHECK(traffic.measured == 7 * 2 * 8);
  // Each parameter's values begin at a multiple of 8 bytes: two of them have an odd number.
  CHECK(traffic.gathered == 4 * floats + 2 * coarse + 4 + 4);
  CHECK(traffic.ring_bytes_sent(4) ==
        0.75 * static_cast<double>(2 * (traffic.reduced + traffic.measured) + traffic.gathered));
  CHECK(traffic.ring_bytes_sent(1) == 0);
}

TEST_CASE("observers see the step of all, when every rank has the values", "[mpi]") {
  Model<float> replica, seen;
  DistributedOptimizer<float, Full> optimizer(MPI_COMM_WORLD, options());
  replica.attach(optimizer);
  optimizer.distribute();
  Index updated = 0;
  optimizer.local().add_observer([&](const lorapro::StepEvent& event) {
    updated = event.report.updated;
    seen = replica;
  });
  replica.set_gradients(1, world_rank(), 1, Numbers::any);
  static_cast<void>(optimizer.step());
  CHECK(updated == 7);
  CHECK(seen.same(replica));
  CHECK(optimizer.times().reduce >= 0);
  CHECK(optimizer.times().optimizer > 0);
  CHECK(optimizer.times().gather > 0);
}

TEST_CASE("what is frozen or left out is so on every rank", "[mpi]") {
  std::vector<PairBuffers<float>> pairs;
  for (std::uint64_t k = 0; k < 5; ++k) pairs.emplace_back(6, 5, 2, 1.0, k);
  lorapro::mpi::DistributedOptimizer<float, lorapro::AdamWRule> optimizer(MPI_COMM_WORLD);
  std::vector<lorapro::PairId> ids;
  for (auto& pair : pairs) ids.push_back(optimizer.attach(pair.view()));
  RowMatrix<float> value = RowMatrix<float>::Ones(1, 4), grad = value;
  const auto dense = optimizer.attach(lorapro::DenseView<float>{value.data(), grad.data(), 4});
  CHECK_THROWS_AS(optimizer.freeze(ids[0]), lorapro::StateError);
  optimizer.distribute();
  const auto step = [&] {
    for (std::uint64_t k = 0; k < 5; ++k) pairs[k].backpropagate(random_matrix(6, 5, 40 + k));
    return optimizer.step();
  };
  CHECK(step().updated == 6);
  optimizer.freeze(ids[1]);
  optimizer.leave_out(ids[3]);
  optimizer.leave_out(dense);
  const auto before = pairs;
  const RowMatrix<float> value_before = value;
  auto report = step();
  CHECK(report.updated == 3);
  CHECK(report.frozen == 1);
  CHECK(report.left_out == 2);
  for (std::size_t k = 0; k < 5; ++k)
    CHECK(same_parameters(pairs[k], before[k]) == (k == 1 || k == 3));
  CHECK(value == value_before);
  report = step();
  CHECK(report.updated == 5);
  CHECK(report.frozen == 1);
  optimizer.thaw(ids[1]);
  CHECK(step().updated == 6);
  optimizer.check_replicas();
}

}  // namespace
