// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Two update rules of one's own, one of each kind, in the optimizer that the library's rules use:
// groups, schedules, clipping, masters, threads, checks and checkpoints come with it.
//
//   custom_rule            # fits W = s B A to a target with each of them
//   custom_rule --smoke    # the same in fewer steps
#include <lorapro/lorapro.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>

// [element-wise rule]
/// Sign descent: every element moves by the learning rate against the sign of its gradient.
struct SignRule : lorapro::ElementwiseRule {
  static constexpr const char* kName = "sign";
  static constexpr std::array<const char*, 0> kState{};

  template <typename Scalar>
  struct Update {
    explicit Update(const lorapro::ElementStep& step)
        : lr(static_cast<Scalar>(step.lr)), decay(static_cast<Scalar>(step.decay)) {}

    void operator()(const lorapro::ElementRow<Scalar, 0>& row) const {
      for (lorapro::Index i = 0; i < row.count; ++i) {
        const auto sign = static_cast<Scalar>((row.grad[i] > 0) - (row.grad[i] < 0));
        row.value[i] = decay * row.value[i] - lr * sign;
      }
    }

    Scalar lr, decay;
  };
};
// [element-wise rule]

// [pair rule]
/// LoRA-Pro's adjusted gradients over the norm of the step of W that they make: W moves by the
/// learning rate, whatever the size of the gradient.
struct NormalizedProRule : lorapro::PairRule {
  static constexpr const char* kName = "normalized_pro";
  static constexpr bool kNeedsSpectra = true;  // of B^T B and A A^T, in step.solver

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const lorapro::PairShape& shape) : adjusted_(shape.rank) {}
    template <typename Visitor>
    void visit(Visitor&&) {}  // no state
    static lorapro::RuleWorkspace workspace(const lorapro::PairShape& shape) {
      return {4 * lorapro::panel_size(shape.rank), lorapro::PairSolver::scratch_size(shape.rank)};
    }
    static lorapro::PerSide<bool> grad_grams(const lorapro::StepContext&) { return {true, true}; }

    lorapro::Preparation prepare(const lorapro::PairStep<Scalar>& step) {
      return lorapro::prepare_adjusted(step, 1e15, adjusted_);
    }

    void update(const lorapro::PairStep<Scalar>& step) {
      const double norm =
          std::sqrt(step.solver->equivalent_squared_norm(step.pair.scaling, step.wide()));
      if (norm == 0) return;
      for (const lorapro::Side side : lorapro::kSides) {
        const lorapro::Factor& factor = step.pair[side];
        lorapro::update_adjusted(
            factor, adjusted_[side], step.team,
            [&](const lorapro::PanelAt& at, const lorapro::Panel<const Scalar>& d,
                const lorapro::Panel<Scalar>& value, const lorapro::Scratch<Scalar>&) {
              lorapro::descend_panel(factor.decay, factor.lr / norm, at, d, value);
            });
      }
    }

   private:
    lorapro::PairCombination<Scalar> adjusted_;  // dA and dB, panel by panel
  };

  template <typename Scalar>
  using DenseState = lorapro::ElementwiseDense<lorapro::SgdRule, Scalar>;
};
// [pair rule]

namespace {

using Matrix = lorapro::RowMatrix<float>;

/// Fits s B A to a matrix of the same rank. \return the relative error at the end.
template <typename Rule>
double fit(double lr, int steps) {
  constexpr lorapro::Index kOut = 60, kIn = 40, kRank = 4;
  constexpr float kScaling = 2;
  std::srand(1);
  const Matrix target = Matrix::Random(kOut, kRank) * Matrix::Random(kRank, kIn);
  Matrix A = Matrix::Random(kRank, kIn), B = Matrix::Zero(kOut, kRank);
  Matrix grad_A = Matrix::Zero(kRank, kIn), grad_B = Matrix::Zero(kOut, kRank);

  lorapro::OptimizerConfig config;
  config.group.lr = lr;
  config.schedule = lorapro::LrSchedule::cosine(0, steps);
  lorapro::Optimizer<float, Rule> optimizer(config);
  optimizer.attach(lorapro::row_major_view(A.data(), B.data(), grad_A.data(), grad_B.data(), kOut,
                                           kIn, kRank, kScaling));
  for (int step = 0; step < steps; ++step) {
    const Matrix G = kScaling * B * A - target;  // dL/dW of 1/2 ||W - target||^2
    grad_A.noalias() = kScaling * B.transpose() * G;
    grad_B.noalias() = kScaling * G * A.transpose();
    if (optimizer.step().skipped() > 0) return HUGE_VAL;
  }
  return (kScaling * B * A - target).norm() / target.norm();
}

}  // namespace

int main(int argc, char** argv) {
  const bool smoke = argc > 1 && std::strcmp(argv[1], "--smoke") == 0;
  if (argc > (smoke ? 2 : 1)) {
    std::fprintf(stderr, "usage: custom_rule [--smoke]\n");
    return 2;
  }
  const int steps = smoke ? 600 : 2000;
  const double sign = fit<SignRule>(0.02, steps), pro = fit<NormalizedProRule>(0.3, steps);
  std::printf("relative error after %d steps: %s %.2g, %s %.2g\n", steps, SignRule::kName, sign,
              NormalizedProRule::kName, pro);
  return sign < 0.1 && pro < 0.1 ? 0 : 1;
}
