// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/combination.hpp>
#include <lorapro/linalg/symmetric_eigen.hpp>
#include <lorapro/optim/dense_state.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The scale that gives a step of orthogonal direction the root mean square of an AdamW step.
inline double muon_scale(Index rows, Index cols) {
  return 0.2 * std::sqrt(static_cast<double>((std::max)(rows, cols)));
}

/// Largest gradient whose momentum has a Gram matrix in the wide scalar, whatever its length.
template <typename Scalar>
double largest_muon_gradient() {
  return std::sqrt(static_cast<double>((std::numeric_limits<Scalar>::max)())) / (1 << 20);
}

}  // namespace detail

/// Muon on a parameter without factors. A matrix (DenseView::cols): momentum in Nesterov's form,
/// orthogonalised by five Newton-Schulz iterations, whose singular values end up between about 0.7
/// and 1.2, times 0.2 sqrt(max(rows, cols)). Anything else: AdamW, as is customary.
/// State: exp_avg of the parameter's size (AdamW: two of them). A baseline: besides the state it
/// holds 2 rows cols + 2 k^2 scalars of workspace, k the shorter side.
/// \cost 10 k^2 (2 l + k) flops, l the longer side; no heap in a step.
/// \ref Jordan et al., 2024, https://kellerjordan.github.io/posts/muon; the scale: Liu et al.,
///      arXiv:2502.16982v1, section 2.2.
template <typename Scalar>
struct DenseMuonState {
  explicit DenseMuonState(const Dense& dense)
      : matrix_(dense.rows > 1 && dense.cols > 1),
        rows_(dense.rows),
        cols_(dense.cols),
        adamw_(matrix_ ? 0 : dense.value.rank * dense.value.length),
        exp_avg(matrix_ ? rows_ * cols_ : 0),
        current_(exp_avg.size()),
        next_(exp_avg.size()),
        gram_(matrix_ ? shorter() * shorter() : 0),
        polynomial_(gram_.size()) {}
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    if (!matrix_) return adamw_.visit(visitor);
    visitor("exp_avg", StateTensor<Scalar>(exp_avg.data(), rows_, cols_));
  }
  static Index scratch_size() { return DenseAdamWState<Scalar>::scratch_size(); }
  static Index wide_scratch_size() { return DenseAdamWState<Scalar>::wide_scratch_size(); }

  Preparation prepare(const Dense& dense, const StepContext& context, const Team<Scalar>& team) {
    if (!matrix_) return adamw_.prepare(dense, context, team);
    return detail::prepare_elements({dense.value}, {dense.grad},
                                    detail::largest_muon_gradient<Scalar>(), context, team);
  }

  void update(const Dense& dense, const StepContext& context, const Team<Scalar>& team) {
    if (!matrix_) return adamw_.update(dense, context, team);
    const PanelLayout layout(dense.value);
    const Index panel_length = kPanelWidth * dense.value.rank;
    const auto beta = static_cast<Scalar>(*context.config->beta1);
    const auto rest =
        static_cast<Scalar>((1 - *context.config->beta1) * context.grad_scale * context.clip);
    team.parallel_ranges(layout.count(),
                         [&](Index, Index first, Index last, const Scratch<Scalar>& scratch) {
                           for (Index panel = first; panel < last; ++panel) {
                             const auto g = read_panel(dense.grad, layout, panel, scratch.scalars);
                             const Index count = layout.width(panel) * dense.value.rank;
                             Scalar* const average = exp_avg.data() + panel * panel_length;
                             Scalar* const nesterov = current_.data() + panel * panel_length;
                             for (Index i = 0; i < count; ++i) {
                               average[i] = beta * average[i] + rest * g.data[i];
                               nesterov[i] = beta * average[i] + rest * g.data[i];
                             }
                           }
                         });
    orthogonalize(dense, team);
    const double rate = context.lr * detail::muon_scale(rows_, cols_);
    detail::update_parameter(dense.value, dense.master, team,
                             [&](Index panel, const Panel<Scalar>& value, const Scratch<Scalar>&) {
                               const Panel<const Scalar> direction{
                                   current_.data() + panel * panel_length, dense.value.rank};
                               detail::descend_panel(context.decay, rate, layout, panel, direction,
                                                     value);
                             });
  }

 private:
  Index shorter() const { return (std::min)(rows_, cols_); }
  Index longer() const { return (std::max)(rows_, cols_); }

  /// current_ <- its orthogonal factor, approximately; next_ and the Gram matrices are workspace.
  void orthogonalize(const Dense& dense, const Team<Scalar>& team) {
    const Index k = shorter(), l = longer();
    const FactorView flat = detail::state_of_B(current_, dense.value.rank, dense.value.length);
    const double norm = std::sqrt(detail::squared_norm_of(flat, team));
    // Its quotients would not be finite: no direction.
    const double over_norm = norm > 1e-30 ? 1 / norm : 0;
    if (rows_ > cols_) transpose(current_.data(), rows_, cols_, next_.data());
    Scalar* x = rows_ > cols_ ? next_.data() : current_.data();
    Scalar* y = rows_ > cols_ ? current_.data() : next_.data();
    for (Index i = 0; i < k * l; ++i)
      x[i] = static_cast<Scalar>(over_norm * static_cast<double>(x[i]));
    constexpr int kIterations = 5;
    constexpr Scalar kLinear = Scalar(3.4445), kCubic = Scalar(-4.7750), kQuintic = Scalar(2.0315);
    for (int iteration = 0; iteration < kIterations; ++iteration) {
      // X <- a X + (b S + c S^2) X with S = X X^T.
      team.parallel_ranges(k, [&](Index, Index first, Index last, const Scratch<Scalar>&) {
        Scalar* const out = gram_.data() + first * k;
        std::fill(out, out + (last - first) * k, Scalar(0));
        for (Index j = 0; j < l; j += kPanelWidth)
          panel_dots(x + first * l + j, l, last - first, x + j, l, k,
                     (std::min)(kPanelWidth, l - j), out, k, Index{1});
      });
      team.parallel_ranges(k, [&](Index, Index first, Index last, const Scratch<Scalar>&) {
        Scalar* const out = polynomial_.data() + first * k;
        const Scalar* const s = gram_.data() + first * k;
        panel_product(s, k, Index{1}, last - first, k, gram_.data(), k, k, out, k, false);
        for (Index i = 0; i < (last - first) * k; ++i) out[i] = kCubic * s[i] + kQuintic * out[i];
        for (Index i = first; i < last; ++i) polynomial_[i * k + i] += kLinear;
      });
      team.parallel_ranges(k, [&](Index, Index first, Index last, const Scratch<Scalar>&) {
        for (Index j = 0; j < l; j += kPanelWidth)
          panel_product(polynomial_.data() + first * k, k, Index{1}, last - first, k, x + j, l,
                        (std::min)(kPanelWidth, l - j), y + first * l + j, l, false);
      });
      std::swap(x, y);
    }
    if (rows_ > cols_) {
      if (x == current_.data()) {
        std::copy_n(x, k * l, y);
        x = y;
      }
      transpose(x, k, l, current_.data());
    } else if (x != current_.data()) {
      std::copy_n(x, k * l, current_.data());
    }
  }

  static void transpose(const Scalar* from, Index rows, Index cols, Scalar* to) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) to[j * rows + i] = from[i * cols + j];
  }

  bool matrix_;
  Index rows_, cols_;
  DenseAdamWState<Scalar> adamw_;

 public:
  Buffer<Scalar> exp_avg;

 private:
  Buffer<Scalar> current_, next_, gram_, polynomial_;
};

/// Plain LoRA with Muon on each factor, a baseline; with dense matrices attached only, full
/// fine-tuning with Muon. Momentum in Nesterov's form, N = beta1 M + (1 - beta1) g; the step of a
/// factor is 0.2 sqrt(max(rows, cols)) times the orthogonal factor of N, exact but for singular
/// values below 1e-5 of the largest, which are dropped. State (m + n) r. Recommended: beta1 = 0.95;
/// beta2 and eps are those of dense parameters that are not matrices. The step depends on how W is
/// factorised.
/// \cost per pair 7 r^2 (m + n) + 22 r^3 flops; no heap.
/// \ref DenseMuonState.
struct MuonRule {
  static constexpr const char* kName = "MuonRule";
  static constexpr double kBeta1 = 0.95;

  /// Of N N^T's eigenvalues, the squares of singular values.
  static constexpr Wide kCutoff = 1e-10;

  template <typename Scalar>
  struct PairState {
    PairState(Index out_features, Index in_features, Index rank)
        : exp_avg_A(rank * in_features),
          exp_avg_B(out_features * rank),
          rank_(rank),
          combination_A_(rank),
          combination_B_(rank),
          memory_(8 * rank * rank + 8 * rank) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visitor("exp_avg_A", StateTensor<Scalar>(exp_avg_A.data(), rank_, exp_avg_A.size() / rank_));
      visitor("exp_avg_B", StateTensor<Scalar>(exp_avg_B.data(), exp_avg_B.size() / rank_, rank_));
    }
    static Index scratch_size(Index rank) { return 4 * panel_size(rank); }
    /// Of N.
    static Index shared_scratch_size(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank;
    }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank * rank / 16;
    }
    static Index wide_scratch_size(Index rank) {
      return (std::max)(FactorCombination<Scalar>::scratch_size(rank), WidePanels::size(rank));
    }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::prepare_elements({pair.model.lora_A, pair.model.lora_B},
                                      {pair.model.grad_A, pair.model.grad_B},
                                      detail::largest_muon_gradient<Scalar>(), context, team);
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      const Index m = pair.out_features, n = pair.in_features, r = pair.rank;
      Scalar* const shared = team.own().scalars + scratch_size(r);
      const FactorView nesterov[] = {{shared, storage_type<Scalar>(), r, n, n, 1},
                                     {shared + r * n, storage_type<Scalar>(), r, m, 1, r}};
      team.parallel(2, [&](Index which, const Scratch<Scalar>& scratch) {
        if (which == 0) {
          accumulate(pair.model.lora_A, pair.model.grad_A, detail::state_of_A(exp_avg_A, r, n),
                     nesterov[0], context, memory_.data(), combination_A_, scratch);
        } else {
          accumulate(pair.model.lora_B, pair.model.grad_B, detail::state_of_B(exp_avg_B, r, m),
                     nesterov[1], context, memory_.data() + memory_.size() / 2, combination_B_,
                     scratch);
        }
      });
      descend(pair.model.lora_A, pair.master_A, nesterov[0], combination_A_, context, team);
      descend(pair.model.lora_B, pair.master_B, nesterov[1], combination_B_, context.of_B(), team);
    }

    Buffer<Scalar> exp_avg_A, exp_avg_B;

   private:
    /// Momentum and N of one factor, and (N N^T)^-1/2 with the scale of the step.
    static void accumulate(const FactorView& model, const FactorView& grad,
                           const FactorView& exp_avg, const FactorView& nesterov,
                           const StepContext& context, Wide* memory,
                           FactorCombination<Scalar>& combination, const Scratch<Scalar>& scratch) {
      const WidePanels products(model);
      const PanelLayout& layout = products.source();
      const Index r = model.rank, size = panel_size(r);
      const auto beta = static_cast<Scalar>(*context.config->beta1);
      const auto rest =
          static_cast<Scalar>((1 - *context.config->beta1) * context.grad_scale * context.clip);
      Wide* const gram = memory;
      Wide* const vectors = gram + r * r;
      Wide* const root = vectors + r * r;
      Wide* const zero = root + r * r;  // stays so
      Wide* const values = zero + r * r;
      std::fill(gram, gram + r * r, 0.0);
      Scalar* const panels = scratch.scalars;
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const auto g = read_panel(grad, layout, panel, panels);
        const auto average = edit_panel(exp_avg, layout, panel, panels + size);
        const Panel<Scalar> n{panels + 2 * size, layout.stride()};
        for (Index i = 0; i < layout.rows(panel); ++i)
          for (Index k = 0; k < layout.row_length(panel); ++k) {
            const Scalar step = rest * g.data[i * g.stride + k];
            Scalar& value = average.data[i * average.stride + k];
            value = beta * value + step;
            n.data[i * n.stride + k] = beta * value + step;
          }
        write_panel<Scalar>({average.data, average.stride}, exp_avg, layout, panel);
        write_panel<Scalar>({n.data, n.stride}, nesterov, layout, panel);
        products.add_gram(
            panel, products.convert(panel, Panel<const Scalar>{n.data, n.stride}, scratch.wide),
            gram);
      }
      detail::mirror(r, gram);
      // The products are finite, since prepare has bounded the gradients. Without eigenvalues there
      // is no direction.
      if (!symmetric_eigen(gram, r, values, vectors, values + r)) {
        std::fill(values, values + r, 0.0);
        std::fill(vectors, vectors + r * r, 0.0);
      }
      const Wide largest = *std::max_element(values, values + r);
      const double scale = detail::muon_scale(r, model.length);
      for (Index i = 0; i < r; ++i) {
        const bool counts = values[i] > (std::max)(kCutoff * largest, 1e-300);
        const Wide inverse = counts ? scale / std::sqrt(values[i]) : 0;
        for (Index k = 0; k < r; ++k) gram[i * r + k] = inverse * vectors[i * r + k];
      }
      panel_product(vectors, Index{1}, r, r, r, gram, r, r, root, r, false);
      // Where Scalar is too narrow for the roots, the wide scalar is not.
      if (!combination.set(root, zero, 1.0, model))
        (void)combination.set(root, zero, (std::numeric_limits<double>::max)(), model);
    }

    static void descend(const FactorView& model, const FactorView& master,
                        const FactorView& nesterov, const FactorCombination<Scalar>& combination,
                        const StepContext& context, const Team<Scalar>& team) {
      const PanelLayout layout(model);
      const Index size = panel_size(model.rank);
      detail::update_parameter(
          model, master, team,
          [&](Index panel, const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
            Scalar* const panels = scratch.scalars;
            const auto f = read_panel(model, layout, panel, panels + size);
            const auto n = read_panel(nesterov, layout, panel, panels + 2 * size);
            const Panel<Scalar> d{panels + 3 * size, layout.stride()};
            combination.apply(layout, panel, f, n, d, scratch.wide);
            detail::descend_panel(context.decay, context.lr, layout, panel,
                                  Panel<const Scalar>{d.data, d.stride}, value);
          });
    }

    Index rank_;
    FactorCombination<Scalar> combination_A_, combination_B_;
    Buffer<Wide> memory_;  // per side: gram, vectors, root, zero; values and scratch
  };

  template <typename Scalar>
  using DenseState = DenseMuonState<Scalar>;
};

LORAPRO_NAMESPACE_END
