// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>

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
class DenseMuonState {
 public:
  explicit DenseMuonState(const Dense& dense)
      : matrix_(dense.rows > 1 && dense.cols > 1),
        rows_(dense.rows),
        cols_(dense.cols),
        adamw_(matrix_ ? Dense{} : dense),
        exp_avg_(matrix_ ? rows_ * cols_ : 0),
        current_(exp_avg_.size()),
        next_(exp_avg_.size()),
        gram_(matrix_ ? shorter() * shorter() : 0),
        polynomial_(gram_.size()) {}
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    if (!matrix_) return adamw_.visit(visitor);
    visitor(std::string("exp_avg"), StateTensor(exp_avg_.data(), rows_, cols_));
  }
  static RuleWorkspace workspace(const Dense& dense) { return AdamW::workspace(dense); }

  Preparation prepare(const DenseStep<Scalar>& step) {
    if (!matrix_) return adamw_.prepare(step);
    return prepare_elements(step, detail::largest_muon_gradient<Scalar>());
  }

  void update(const DenseStep<Scalar>& step) {
    if (!matrix_) return adamw_.update(step);
    const Factor& factor = step.dense.factor;
    const StepContext& context = step.context;
    const PanelLayout layout(factor.value);
    const Index panel_length = kPanelWidth * factor.value.rank;
    const auto beta = static_cast<Scalar>(*context.config->beta1);
    const auto rest =
        static_cast<Scalar>((1 - *context.config->beta1) * context.grad_scale * context.clip);
    step.team.parallel_ranges(
        layout.count(), [&](Index, Index first, Index last, const Scratch<Scalar>& scratch) {
          for (Index panel = first; panel < last; ++panel) {
            Scratch<Scalar> own = scratch;
            const auto g = read_panel(factor.grad, layout, panel,
                                      own.scalars.vector(panel_size(layout.rank())));
            const Index count = layout.width(panel) * layout.rank();
            Scalar* const average = exp_avg_.data() + panel * panel_length;
            Scalar* const nesterov = current_.data() + panel * panel_length;
            for (Index i = 0; i < count; ++i) {
              average[i] = beta * average[i] + rest * g.data[i];
              nesterov[i] = beta * average[i] + rest * g.data[i];
            }
          }
        });
    orthogonalize(step);
    const double rate = factor.lr * detail::muon_scale(rows_, cols_);
    update_factor(factor, step.team,
                  [&](const PanelAt& at, const Panel<Scalar>& value, const Scratch<Scalar>&) {
                    const Panel<const Scalar> direction{current_.data() + at.panel * panel_length,
                                                        factor.value.rank};
                    descend_panel(factor.decay, rate, at, direction, value);
                  });
  }

 private:
  using AdamW = ElementwiseDense<AdamWRule, Scalar>;

  Index shorter() const { return (std::min)(rows_, cols_); }
  Index longer() const { return (std::max)(rows_, cols_); }

  /// current_ <- its orthogonal factor, approximately; next_ and the Gram matrices are workspace.
  void orthogonalize(const DenseStep<Scalar>& step) {
    const Team<Scalar>& team = step.team;
    const Index k = shorter(), l = longer();
    FactorView flat = step.dense.factor.value;  // contiguous
    flat.data = current_.data();
    flat.type = storage_type<Scalar>();
    const double norm = std::sqrt(squared_norm_of(flat, team));
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
  AdamW adamw_;
  Buffer<Scalar> exp_avg_, current_, next_, gram_, polynomial_;
};

LORAPRO_NAMESPACE_END
