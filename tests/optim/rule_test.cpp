// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/rule.hpp>

#include <lorapro/optim/dense_state.hpp>

#include <atomic>  // std::atomic

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Buffer;
using lorapro::FactorView;
using lorapro::Panel;
using lorapro::panel_size;
using lorapro::PanelLayout;
using lorapro::Team;
using lorapro::Wide;

/// Scratch of a few threads, as the optimizer hands it out.
struct Scratches {
  explicit Scratches(Index rank, int count = 1) {
    for (int i = 0; i < count; ++i) {
      scalars.emplace_back(8 * panel_size(rank));
      wide.emplace_back(8 * panel_size(rank));
      list.push_back({scalars.back().data(), wide.back().data()});
    }
  }
  Team<float> team() const { return {list.data(), static_cast<int>(list.size())}; }

  std::vector<Buffer<float>> scalars;
  std::vector<Buffer<Wide>> wide;
  std::vector<lorapro::Scratch<float>> list;
};

TEST_CASE("a team covers every index once and cuts by size alone", "[rule]") {
  const Scratches one(1), two(1, 2);
  for (const Index count : {1, 2, 63, 64, 65, 129, 1000}) {
    CAPTURE(count);
    std::vector<std::vector<Index>> cuts;
    for (const Scratches* scratches : {&one, &two}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      std::vector<Index> ends(Team<float>::kMaxPieces, -1);
      scratches->team().parallel_ranges(
          count, [&](Index piece, Index first, Index last, const lorapro::Scratch<float>&) {
            ends[static_cast<std::size_t>(piece)] = last;
            for (Index i = first; i < last; ++i) ++seen[static_cast<std::size_t>(i)];
          });
      for (const auto& times : seen)
        if (times != 1) FAIL_CHECK(times.load());
      cuts.push_back(ends);
    }
    CHECK(cuts[0] == cuts[1]);
  }
}

TEST_CASE("update_parameter writes the master and rounds it into the model", "[rule]") {
  const Index length = 300, rank = 2;
  const Scratches scratches(rank);
  RowMatrix<bfloat16> model = rounded<bfloat16>(random_matrix(length, rank, 1));
  Buffer<float> master(length * rank);
  const FactorView kept = lorapro::detail::state_of_B(master, rank, length);
  for (Index i = 0; i < master.size(); ++i) master[i] = static_cast<float>(model.data()[i]);
  const FactorView view = lorapro::factor_of_B(lorapro::make_view(model));
  const PanelLayout layout(view);
  const auto descend = [&](Index panel, const Panel<float>& value, const auto&) {
    for (Index i = 0; i < layout.rows(panel); ++i)
      for (Index k = 0; k < layout.row_length(panel); ++k)
        value.data[i * value.stride + k] -= 0x1.0p-12F;
  };
  const RowMatrix<bfloat16> before = model;
  for (int t = 0; t < 16; ++t)
    lorapro::detail::update_parameter(view, kept, scratches.team(), descend);
  for (Index i = 0; i < model.size(); ++i) {
    const float expected = static_cast<float>(before.data()[i]) - 0x1.0p-8F;
    if (!(std::abs(master[i] - expected) < 1e-6F)) FAIL_CHECK(i);
    if (!(model.data()[i] == static_cast<bfloat16>(master[i]))) FAIL_CHECK(i);
  }
  // Without a master the same updates of elements near 1 or above are all rounded away.
  RowMatrix<bfloat16> alone = before;
  const FactorView alone_view = lorapro::factor_of_B(lorapro::make_view(alone));
  for (int t = 0; t < 16; ++t)
    lorapro::detail::update_parameter(alone_view, {}, scratches.team(), descend);
  for (Index i = 0; i < alone.size(); ++i)
    if (std::abs(static_cast<float>(before.data()[i])) > 1)
      CHECK(alone.data()[i] == before.data()[i]);
}

TEST_CASE("state has the layout of its factor", "[rule]") {
  Buffer<double> a(6), b(6);
  const FactorView A = lorapro::detail::state_of_A(a, 2, 3),
                   B = lorapro::detail::state_of_B(b, 2, 3);
  CHECK(A.rank == 2);
  CHECK(A.length == 3);
  CHECK(A.rank_stride == 3);  // (rank, in_features), row-major
  CHECK(A.length_stride == 1);
  CHECK(B.rank == 2);
  CHECK(B.length == 3);
  CHECK(B.rank_stride == 1);  // (out_features, rank), row-major
  CHECK(B.length_stride == 2);
  CHECK(B.type == lorapro::StorageType::f64);
}

TEST_CASE("the limit of a step leaves room for value and rate", "[rule]") {
  const float max = std::numeric_limits<float>::max();
  for (const double lr : {1e-3, 1.0, 1e10}) {
    const auto step = static_cast<float>(lorapro::detail::step_limit<float>(lr));
    const auto value = static_cast<float>(lorapro::detail::step_limit<float>(0));
    CHECK(value + static_cast<float>(lr) * step <= max);
    CHECK(step > 0);
  }
}

/// A rule as a user would write it: the sign of the gradient, and a count of its updates as state.
struct SignRule {
  template <typename Scalar>
  struct PairState {
    PairState(Index, Index, Index) : updates(1) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visitor("updates", lorapro::StateTensor<Scalar>(updates.data(), 1, 1));
    }
    static Index scratch_size(Index rank) { return 2 * panel_size(rank); }
    static Index wide_scratch_size(Index rank) { return panel_size(rank); }
    static Index shared_scratch_size(Index, Index, Index) { return 0; }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank;
    }
    lorapro::Preparation prepare(const lorapro::Pair& pair, const lorapro::StepContext& context,
                                 const Team<Scalar>& team) {
      return lorapro::detail::prepare_elements({pair.model.lora_A, pair.model.lora_B},
                                               {pair.model.grad_A, pair.model.grad_B}, 1e30,
                                               context, team);
    }
    void update(const lorapro::Pair& pair, const lorapro::StepContext& context,
                const Team<Scalar>& team) {
      step(pair.model.lora_A, pair.master_A, pair.model.grad_A, context, team);
      step(pair.model.lora_B, pair.master_B, pair.model.grad_B, context, team);
      updates[0] += 1;
    }
    static void step(const FactorView& factor, const FactorView& master, const FactorView& grad,
                     const lorapro::StepContext& context, const Team<Scalar>& team) {
      const PanelLayout layout(factor);
      const auto keep = static_cast<Scalar>(context.decay), rate = static_cast<Scalar>(context.lr);
      lorapro::detail::update_parameter(
          factor, master, team,
          [&](Index panel, const Panel<Scalar>& value, const lorapro::Scratch<Scalar>& scratch) {
            const auto g =
                read_panel(grad, layout, panel, scratch.scalars + panel_size(factor.rank));
            for (Index i = 0; i < layout.rows(panel); ++i)
              for (Index k = 0; k < layout.row_length(panel); ++k) {
                Scalar& x = value.data[i * value.stride + k];
                const Scalar d = g.data[i * g.stride + k];
                x = keep * x - rate * static_cast<Scalar>((d > 0) - (d < 0));
              }
          });
    }
    Buffer<Scalar> updates;
  };
  template <typename Scalar>
  using DenseState = lorapro::DenseSgdState<Scalar>;
};

TEST_CASE("a rule of the user's own passes the battery", "[rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.01;
  run<SignRule, float>(config, 300, 0.2, false);
}

}  // namespace
