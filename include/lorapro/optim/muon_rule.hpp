// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/combination.hpp>
#include <lorapro/optim/dense_muon.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Plain LoRA with Muon on each factor, a baseline; with dense matrices attached only, full
/// fine-tuning with Muon. Momentum in Nesterov's form, N = beta1 M + (1 - beta1) g; the step of a
/// factor is 0.2 sqrt(max(rows, cols)) times the orthogonal factor of N, exact but for singular
/// values below 1e-5 of the largest, which are dropped. State (m + n) r. Recommended: beta1 = 0.95;
/// beta2 and eps are those of dense parameters that are not matrices. The step depends on how W is
/// factorised.
/// \cost per pair 7 r^2 (m + n) + 22 r^3 flops; no heap.
/// \ref DenseMuonState.
struct MuonRule : PairRule {
  static constexpr const char* kName = "muon";
  static constexpr double kBeta1 = 0.95;

  /// Of N N^T's eigenvalues, the squares of singular values.
  static constexpr Wide kCutoff = 1e-10;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : shape_(shape),
          exp_avg_(FactorState<Scalar>::of(shape)),
          sides_{Orthogonal(shape.rank), Orthogonal(shape.rank)} {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visit_sides("exp_avg", exp_avg_, visitor);
    }
    /// The shared part is that of N.
    static RuleWorkspace workspace(const PairShape& shape) {
      return {4 * panel_size(shape.rank),
              (std::max)(FactorCombination<Scalar>::scratch_size(shape.rank),
                         WidePanels::size(shape.rank)),
              (shape.out_features + shape.in_features) * shape.rank,
              (shape.out_features + shape.in_features) * shape.rank * shape.rank / 16};
    }

    Preparation prepare(const PairStep<Scalar>& step) {
      return prepare_elements(step, detail::largest_muon_gradient<Scalar>());
    }

    void update(const PairStep<Scalar>& step) {
      WorkspaceOf<Scalar> shared = step.team.shared();
      PerSide<FactorView> nesterov;
      for (const Side side : kSides)
        nesterov[side] =
            factor_view(side, shape_, shared.vector(shape_.rank * shape_.length(side)));
      step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
        accumulate(side, step, nesterov[side], scratch);
        sides_[side].set_root(step.pair[side].value);
      });
      for (const Side side : kSides)
        descend_along(step.pair[side], sides_[side].combination, step.team,
                      [&](const PanelAt& at, const Panel<const Scalar>&, Scalar* memory,
                          const Scratch<Scalar>&) {
                        return read_panel(nesterov[side], at.layout, at.panel, memory);
                      });
    }

   private:
    /// The orthogonal factor of N, times the scale of the step, as (N N^T)^-1/2 N.
    struct Orthogonal {
      explicit Orthogonal(Index rank)
          : combination(rank), arena(4 * square_size(rank) + rank + symmetric_eigen_scratch(rank)) {
        gram = arena.square(rank);
        vectors = arena.square(rank);
        root = arena.square(rank);
        zero = arena.square(rank);
        values = arena.vector(rank);
        scratch = arena.vector(symmetric_eigen_scratch(rank));
        arena.close();
      }

      /// From gram, which is overwritten.
      void set_root(const FactorView& factor) {
        const Index r = factor.rank;
        // The products are finite, since prepare has bounded the gradients. Without eigenvalues
        // there is no direction.
        if (!symmetric_eigen(gram.data(), r, values, vectors.data(), scratch)) {
          std::fill(values, values + r, 0.0);
          set_zero(vectors);
        }
        const Wide largest = *std::max_element(values, values + r);
        const double scale = detail::muon_scale(r, factor.length);
        for (Index i = 0; i < r; ++i) {
          const bool counts = values[i] > (std::max)(kCutoff * largest, 1e-300);
          values[i] = counts ? scale / std::sqrt(values[i]) : 0;
        }
        scale_rows(gram, values, vectors);
        multiply(root, transposed(vectors), gram);
        // Where Scalar is too narrow for the roots, the wide scalar is not.
        const PanelLayout layout(factor);
        if (!combination.set({root, zero}, 1.0, layout))
          (void)combination.set({root, zero}, (std::numeric_limits<double>::max)(), layout);
      }

      FactorCombination<Scalar> combination;
      Arena arena;
      Square gram, vectors, root, zero;  // zero stays so
      Wide *values = nullptr, *scratch = nullptr;
    };

    /// Momentum, N and its Gram matrix of one factor.
    void accumulate(Side side, const PairStep<Scalar>& step, const FactorView& nesterov,
                    Scratch<Scalar> scratch) {
      const Factor& factor = step.pair[side];
      const FactorView exp_avg = exp_avg_[side].view();
      const Square gram = sides_[side].gram;
      const StepContext& context = step.context;
      const WidePanels products(factor.value);
      const PanelLayout& layout = products.source();
      const Index size = panel_size(shape_.rank);
      const auto beta = static_cast<Scalar>(*context.config->beta1);
      const auto rest =
          static_cast<Scalar>((1 - *context.config->beta1) * context.grad_scale * context.clip);
      Scalar *const g_memory = scratch.scalars.vector(size), *const average_memory =
                                                                 scratch.scalars.vector(size);
      const Panel<Scalar> n{scratch.scalars.vector(size), layout.stride()};
      Wide* const wide = scratch.wide.vector(WidePanels::size(shape_.rank));
      set_zero(gram);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const auto g = read_panel(factor.grad, layout, panel, g_memory);
        const auto average = edit_panel(exp_avg, layout, panel, average_memory);
        for (Index i = 0; i < layout.rows(panel); ++i)
          for (Index k = 0; k < layout.row_length(panel); ++k) {
            const Scalar part = rest * g.data[i * g.stride + k];
            Scalar& value = average.data[i * average.stride + k];
            value = beta * value + part;
            n.data[i * n.stride + k] = beta * value + part;
          }
        write_panel(read_only(average), exp_avg, layout, panel);
        write_panel(read_only(n), nesterov, layout, panel);
        products.add_gram(panel, products.convert(panel, read_only(n), wide), gram);
      }
      mirror(gram);
    }

    PairShape shape_;
    PerSide<FactorState<Scalar>> exp_avg_;
    PerSide<Orthogonal> sides_;
  };

  template <typename Scalar>
  using DenseState = DenseMuonState<Scalar>;
};

LORAPRO_NAMESPACE_END
