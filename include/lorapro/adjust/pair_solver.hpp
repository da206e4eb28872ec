// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adjust_report.hpp>
#include <lorapro/adjust/coefficients.hpp>
#include <lorapro/adjust/combination.hpp>
#include <lorapro/adjust/pair.hpp>
#include <lorapro/linalg/gram.hpp>

#include <cmath>  // std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// Everything r x r of one pair: products, spectra, coefficients. Sized once; nothing here
/// allocates afterwards.
class PairSolver {
 public:
  explicit PairSolver(Index rank)
      : spectra_(rank), coefficients_(rank), arena_(6 * square_size(rank)) {
    for (SideProducts& side : sides_) {
      side.gram = arena_.square(rank);
      side.cross = arena_.square(rank);
      side.grad_gram = arena_.square(rank);
    }
    arena_.close();
  }

  /// Scratch that every member and FactorCombination::apply need, in Wide elements.
  static Index scratch_size(Index rank) {
    return (std::max)({factor_products_scratch(rank), FactorCombination<float>::scratch_size(rank),
                       SpectralPair::scratch_size(rank), 4 * square_size(rank)});
  }

  /// Reads the factors and gradients once and computes the coefficients.
  /// \param grad_scale  gradients are multiplied by it (1 / loss scale).
  /// \param with_norm   also prepare equivalent_squared_norm (r^2 (m + n) flops more). It is
  ///                    whenever the move is bounded.
  /// \param scratch     scratch_size(rank) elements.
  /// \cost 3 r^2 (m + n) + 38 r^3 flops; reads 2 r (m + n) elements; no heap.
  AdjustReport solve(const Pair& pair, const AdjustOptions& options, double grad_scale,
                     bool with_norm, Workspace scratch) {
    with_norm = with_norm || (options.lr > 0 && options.damping > 0);
    for (const Side side : kSides) measure(side, pair[side], with_norm, scratch);
    spectra_.decompose(scratch);
    return finish(pair, options, grad_scale, scratch, [&] {
      return options.lr > 0 ? gradient_norm(pair.scaling, options, grad_scale, scratch) : 0.0;
    });
  }

  /// \name The parts of solve: both sides may be measured at the same time, with scratch each; then
  /// come the decompositions of spectra().
  /// @{
  void measure(Side which, const Factor& factor, bool with_norm, Workspace scratch) {
    SideProducts& side = sides_[which];
    const Square grad_gram = with_norm ? side.grad_gram : Square{};
    const FactorMeasure found =
        factor_products(factor.value, factor.grad, {side.gram, side.cross, grad_gram}, scratch);
    side.grad_norm = std::sqrt(found.squared_norm);
    side.finite = found.finite && is_finite(side.grad_norm) && all_finite(side.cross);
    spectra_.set_gram(which, side.gram);
  }
  /// \param direction_norm  direction_norm() is called when the spectra are known and gives N of
  ///                        scale_free_dampings for the direction of the coming step, or more.
  template <typename DirectionNorm>
  AdjustReport finish(const Pair& pair, const AdjustOptions& options, double grad_scale,
                      Workspace scratch, const DirectionNorm& direction_norm) {
    AdjustReport report = inspect(pair, grad_scale);
    if (!report.usable()) return report;
    if (!project(pair.scaling, options, direction_norm(), grad_scale, scratch))
      report.status = AdjustStatus::overflow;
    report.lambda = coefficients_.lambda();
    return report;
  }
  /// The first part of finish: ranks and cutoffs, whether everything is finite; no coefficients.
  AdjustReport inspect(const Pair& pair, double grad_scale) {
    AdjustReport report;
    grad_scale_ = grad_scale;
    if (!spectra_.finish(pair.storage_eps()) || !sides_.A.finite || !sides_.B.finite) {
      report.status = AdjustStatus::non_finite;
      return report;
    }
    report.rank_A = spectra_.Q().rank;
    report.rank_B = spectra_.P().rank;
    report.cutoff_A = spectra_.Q().cutoff;
    report.cutoff_B = spectra_.P().cutoff;
    if (report.rank_A < rank() || report.rank_B < rank())
      report.status = AdjustStatus::rank_deficient;
    return report;
  }
  /// @}

  /// Coefficients for other gradients of the same factors, whose products with them are in cross().
  /// \param direction_norm  as in finish.
  /// \return false if a coefficient is not finite.
  [[nodiscard]] bool project(double scaling, const AdjustOptions& options, double direction_norm,
                             double grad_scale, Workspace scratch) {
    const Dampings lambda = scale_free_dampings(spectra_, scaling, options, direction_norm);
    return coefficients_.compute(spectra_, {sides_.A.cross, sides_.B.cross},
                                 {scaling, lambda, options.gauge, grad_scale}, scratch);
  }

  /// N of scale_free_dampings for a direction, from what the factor that is not fixed sees of it.
  /// \param gram     of s B^T H, or of s H A^T where A is free, as in damped_norm.
  /// \param scaling  s, or 1 where gram lacks it.
  double direction_norm(ConstSquare gram, double scaling, const AdjustOptions& options,
                        Workspace scratch) const {
    return damped_norm(gram, spectra_.of(options.free_factor), scaling, options.damping, scratch);
  }
  /// The same for the full gradient. \pre The Gram matrix of the fixed factor's gradient has been
  /// measured, unless there is no damping.
  double gradient_norm(double scaling, const AdjustOptions& options, double grad_scale,
                       Workspace scratch) const {
    const ConstSquare gram = sides_[options.fixed_factor()].grad_gram;
    return std::abs(grad_scale) * direction_norm(gram, scaling, options, scratch);
  }

  /// ||s (B dA + dB A)||_F^2 of the coefficients' dA and dB, from r x r matrices alone:
  /// s^2 (<P, dA dA^T> + <Q, dB^T dB> + 2 <B^T dB, dA A^T>). \pre solve(..., with_norm = true).
  double equivalent_squared_norm(double scaling, Workspace scratch) const {
    const PerSide<Square> along{scratch.square(rank()), scratch.square(rank())};  // d F^T
    const Wide own_A = squared_norm_by(Side::A, along.A, scratch);
    const Wide own_B = squared_norm_by(Side::B, along.B, scratch);
    Wide mixed = 0;
    for (Index i = 0; i < rank(); ++i)
      for (Index j = 0; j < rank(); ++j) mixed += along.A(i, j) * along.B(j, i);
    return (std::max)(0.0, scaling * scaling * (own_A + own_B + 2 * mixed));
  }

  /// ||grad_A||_F^2 + ||grad_B||_F^2, scaled.
  double adapter_squared_norm() const {
    const double a = sides_.A.grad_norm, b = sides_.B.grad_norm;
    return grad_scale_ * grad_scale_ * (a * a + b * b);
  }

  /// Upper bound of ||dA||_F or ||dB||_F, to tell an overflow before anything is written. The
  /// coefficients carry grad_scale, the norms do not.
  double bound(Side side) const {
    const SideCoefficients c = coefficients_[side];
    return norm(c.on_grad) * sides_[side].grad_norm + norm(c.on_factor) * factor_norm(side);
  }
  /// Whether both are below it.
  bool is_bounded_by(double limit) const {
    return detail::is_below(bound(Side::A), limit) && detail::is_below(bound(Side::B), limit);
  }

  /// ||grad_A||_F or ||grad_B||_F, as the buffers hold it.
  double grad_norm(Side side) const { return sides_[side].grad_norm; }
  /// ||A||_F or ||B||_F from the eigenvalues of its Gram matrix.
  double factor_norm(Side factor) const {
    double sum = 0;
    for (Index i = 0; i < rank(); ++i) sum += spectra_.of(factor).values[i];
    return std::sqrt(sum);
  }

  Index rank() const { return spectra_.rank(); }
  const SpectralPair& spectra() const { return spectra_; }
  SpectralPair& spectra() { return spectra_; }
  const AdjustCoefficients& coefficients() const { return coefficients_; }
  AdjustCoefficients& coefficients() { return coefficients_; }

  Square gram(Side side) const { return sides_[side].gram; }         ///< A A^T; B^T B
  ConstSquare cross(Side side) const { return sides_[side].cross; }  ///< grad_A A^T; grad_B^T B
  Square cross(Side side) { return sides_[side].cross; }
  /// grad_A grad_A^T; grad_B^T grad_B. \pre measured with_norm.
  ConstSquare grad_gram(Side side) const { return sides_[side].grad_gram; }
  Square grad_gram(Side side) { return sides_[side].grad_gram; }

 private:
  struct SideProducts {
    Square gram, cross, grad_gram;
    double grad_norm = 0;
    bool finite = false;
  };

  /// <S, d d^T> of the side's d = T g + X F, S being the other factor's Gram matrix.
  /// \param[out] along  d F^T.
  Wide squared_norm_by(Side which, Square along, Workspace scratch) const {
    const SideProducts& side = sides_[which];
    const ConstSquare T = coefficients_[which].on_grad, X = coefficients_[which].on_factor;
    const ConstSquare S = sides_[other(which)].gram;
    const Square d_gt = scratch.square(rank()), S_d = scratch.square(rank());
    multiply_sum(along, T, side.cross, X, side.gram);
    multiply(d_gt, T, side.grad_gram);
    add_product(d_gt, X, transposed(side.cross));
    multiply(S_d, S, d_gt);
    const Wide by_grad = dot(S_d, T);
    multiply(S_d, S, along);
    return by_grad + dot(S_d, X);
  }

  SpectralPair spectra_;
  AdjustCoefficients coefficients_;
  Arena arena_;
  PerSide<SideProducts> sides_;
  double grad_scale_ = 1;
};

LORAPRO_NAMESPACE_END
