// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/combination.hpp>

#include <cmath>  // std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// The four factors of a pair and its scaling, A before B.
struct PairFactors {
  FactorView lora_A;  ///< (rank, in_features)
  FactorView lora_B;  ///< lora_B^T: (rank, out_features)
  FactorView grad_A;
  FactorView grad_B;
  double scaling = 1.0;

  /// Epsilon of the coarsest type among factors and gradients, which the cutoffs follow.
  double storage_eps() const {
    return (std::max)((std::max)(storage_epsilon(lora_A.type), storage_epsilon(lora_B.type)),
                      (std::max)(storage_epsilon(grad_A.type), storage_epsilon(grad_B.type)));
  }
};

/// How to adjust a gradient.
struct AdjustOptions {
  /// rho: each factor is damped relative to the largest eigenvalue that its gradient is divided by,
  /// lambda_A = rho s^2 l_max and lambda_B = rho s^2 u_max (scale_free_dampings). 0 is the exact
  /// projection, with the Moore-Penrose limit where a factor has lost rank. >= 0.
  double damping = 0.0;
  Gauge gauge = Gauge::sylvester;
  /// Learning rate of the coming step A -= lr dA, B -= lr dB, by which the move of the fixed factor
  /// is bounded where there is damping; >= 0. 0: it is not, and the step after B = 0 moves A by its
  /// own size at every rate.
  double lr = 0.0;
  /// kappa: the largest such move, relative to the fixed factor itself; > 0.
  double max_relative_move = 0.05;
  FreeFactor free_factor = FreeFactor::lora_B;

  /// \throws ConfigError that names the field.
  void validate() const {
    checks::config(damping >= 0 && is_finite(damping), "damping", "a finite number >= 0", damping);
    checks::config(lr >= 0 && is_finite(lr), "lr", "a finite number >= 0", lr);
    checks::config(max_relative_move > 0 && is_finite(max_relative_move), "max_relative_move",
                   "a finite number > 0", max_relative_move);
  }
};

/// Everything r x r of one pair: products, spectra, coefficients. Sized once; nothing here
/// allocates afterwards.
class PairSolver {
 public:
  explicit PairSolver(Index rank)
      : spectra_(rank), coefficients_(rank), products_(6 * rank * rank) {}

  /// Scratch that every member and FactorCombination::apply need, in Wide elements.
  static Index scratch_size(Index rank) {
    return (std::max)(
        (std::max)(factor_products_scratch(rank), FactorCombination<float>::scratch_size(rank)),
        (std::max)(SpectralPair::scratch_size(rank), 4 * rank * rank));
  }

  /// Reads the factors and gradients once and computes the coefficients.
  /// \param grad_scale  gradients are multiplied by it (1 / loss scale).
  /// \param with_norm   also prepare equivalent_squared_norm (r^2 (m + n) flops more). It is
  ///                    whenever the move is bounded.
  /// \param scratch     scratch_size(rank) elements.
  /// \cost 3 r^2 (m + n) + 38 r^3 flops; reads 2 r (m + n) elements; no heap.
  AdjustReport solve(const PairFactors& pair, const AdjustOptions& options, double grad_scale,
                     bool with_norm, Wide* scratch) {
    with_norm = with_norm || (options.lr > 0 && options.damping > 0);
    measure_A(pair, with_norm, scratch);
    measure_B(pair, with_norm, scratch);
    spectra_.decompose(scratch);
    return conclude(pair, options, grad_scale, scratch, [&] {
      return options.lr > 0 ? gradient_norm(pair.scaling, options, grad_scale, scratch) : 0.0;
    });
  }

  /// \name The parts of solve: measure_A and measure_B may run at the same time, with scratch each;
  /// then come the decompositions of spectra().
  /// @{
  void measure_A(const PairFactors& pair, bool with_norm, Wide* scratch) {
    const Index size = rank() * rank();
    const FactorProducts found =
        factor_products(pair.lora_A, pair.grad_A, gram_A(), cross_A(),
                        with_norm ? products_.data() + 4 * size : nullptr, scratch);
    grad_norm_A_ = std::sqrt(found.squared_norm);
    finite_A_ = found.finite && is_finite(grad_norm_A_) && all_finite(cross_A(), size);
    spectra_.set_gram_A(gram_A());
  }
  void measure_B(const PairFactors& pair, bool with_norm, Wide* scratch) {
    const Index size = rank() * rank();
    const FactorProducts found =
        factor_products(pair.lora_B, pair.grad_B, gram_B(), cross_B(),
                        with_norm ? products_.data() + 5 * size : nullptr, scratch);
    grad_norm_B_ = std::sqrt(found.squared_norm);
    finite_B_ = found.finite && is_finite(grad_norm_B_) && all_finite(cross_B(), size);
    spectra_.set_gram_B(gram_B());
  }
  /// \param direction_norm  direction_norm() is called when the spectra are known and gives N of
  ///                        scale_free_dampings for the direction of the coming step, or more.
  template <typename DirectionNorm>
  AdjustReport conclude(const PairFactors& pair, const AdjustOptions& options, double grad_scale,
                        Wide* scratch, const DirectionNorm& direction_norm) {
    AdjustReport report;
    grad_scale_ = grad_scale;
    if (!spectra_.conclude(pair.storage_eps()) || !finite_A_ || !finite_B_) {
      report.status = AdjustStatus::non_finite;
      return report;
    }
    report.rank_A = spectra_.gram_A().rank;
    report.rank_B = spectra_.gram_B().rank;
    report.cutoff_A = spectra_.gram_A().cutoff;
    report.cutoff_B = spectra_.gram_B().cutoff;
    if (report.rank_A < rank() || report.rank_B < rank())
      report.status = AdjustStatus::rank_deficient;
    if (!project(pair.scaling, options, direction_norm(), grad_scale, scratch))
      report.status = AdjustStatus::overflow;
    report.lambda = coefficients_.lambda();
    return report;
  }
  /// @}

  /// Coefficients for other gradients of the same factors; their products are in cross_A, cross_B.
  /// \param direction_norm  as in conclude.
  /// \return false if a coefficient is not finite.
  [[nodiscard]] bool project(double scaling, const AdjustOptions& options, double direction_norm,
                             double grad_scale, Wide* scratch) {
    return coefficients_.compute(spectra_, cross_A(), cross_B(), scaling,
                                 dampings(scaling, options, direction_norm), options.gauge,
                                 grad_scale, scratch);
  }

  Dampings dampings(double scaling, const AdjustOptions& options, double direction_norm) const {
    return scale_free_dampings(spectra_, scaling, options.damping, options.lr * direction_norm,
                               options.max_relative_move, options.free_factor);
  }

  /// N of scale_free_dampings for a direction, from what the factor that is not fixed sees of it.
  /// \param gram     of s B^T H, or of s H A^T where A is free, as in damped_norm.
  /// \param scaling  s, or 1 where gram lacks it.
  double direction_norm(const Wide* gram, double scaling, const AdjustOptions& options,
                        Wide* scratch) const {
    return damped_norm(gram, fixes_A(options.free_factor) ? spectra_.gram_B() : spectra_.gram_A(),
                       rank(), scaling, options.damping, scratch);
  }
  /// The same for the full gradient. \pre The Gram matrix of the fixed factor's gradient has been
  /// measured, unless there is no damping.
  double gradient_norm(double scaling, const AdjustOptions& options, double grad_scale,
                       Wide* scratch) const {
    const Wide* const gram = fixes_A(options.free_factor) ? grad_gram_A() : grad_gram_B();
    return std::abs(grad_scale) * direction_norm(gram, scaling, options, scratch);
  }

  /// ||s (B dA + dB A)||_F^2 of the coefficients' dA and dB, from r x r matrices alone:
  /// s^2 (<P, dA dA^T> + <Q, dB^T dB> + 2 <B^T dB, dA A^T>). \pre solve(..., with_norm = true).
  double equivalent_squared_norm(double scaling, Wide* scratch) const {
    const Index r = rank(), size = r * r;
    const Wide* const gram_A = products_.data();
    const Wide* const gram_B = gram_A + size;
    Wide* const along_A = scratch;          // dA A^T
    Wide* const along_B = scratch + size;   // dB^T B
    Wide* const work = scratch + 2 * size;  // 2 size
    const Wide own_A =
        side_norm(coefficients_.on_grad_A(), coefficients_.on_A(), products_.data() + 4 * size,
                  products_.data() + 2 * size, gram_A, gram_B, along_A, work);
    const Wide own_B =
        side_norm(coefficients_.on_grad_B(), coefficients_.on_B(), products_.data() + 5 * size,
                  products_.data() + 3 * size, gram_B, gram_A, along_B, work);
    Wide mixed = 0;
    for (Index i = 0; i < r; ++i)
      for (Index j = 0; j < r; ++j) mixed += along_A[i * r + j] * along_B[j * r + i];
    return (std::max)(0.0, scaling * scaling * (own_A + own_B + 2 * mixed));
  }

  /// ||grad_A||_F^2 + ||grad_B||_F^2, scaled.
  double adapter_squared_norm() const {
    return grad_scale_ * grad_scale_ * (grad_norm_A_ * grad_norm_A_ + grad_norm_B_ * grad_norm_B_);
  }

  /// Upper bounds of ||dA||_F and ||dB||_F, to tell an overflow before anything is written. The
  /// coefficients carry grad_scale, the norms do not.
  double bound_A() const {
    return norm(coefficients_.on_grad_A()) * grad_norm_A_ +
           norm(coefficients_.on_A()) * factor_norm(spectra_.gram_A());
  }
  double bound_B() const {
    return norm(coefficients_.on_grad_B()) * grad_norm_B_ +
           norm(coefficients_.on_B()) * factor_norm(spectra_.gram_B());
  }

  Index rank() const { return spectra_.rank(); }
  const SpectralPair& spectra() const { return spectra_; }
  SpectralPair& spectra() { return spectra_; }
  const AdjustCoefficients& coefficients() const { return coefficients_; }
  AdjustCoefficients& coefficients() { return coefficients_; }
  Wide* cross_A() { return products_.data() + 2 * rank() * rank(); }  ///< grad_A A^T
  Wide* cross_B() { return products_.data() + 3 * rank() * rank(); }  ///< grad_B^T B

  const Wide* cross_A() const { return products_.data() + 2 * rank() * rank(); }
  const Wide* cross_B() const { return products_.data() + 3 * rank() * rank(); }
  const Wide* gram_A() const { return products_.data(); }                    ///< A A^T
  const Wide* gram_B() const { return products_.data() + rank() * rank(); }  ///< B^T B
  /// grad_A grad_A^T and grad_B^T grad_B. \pre solve(..., with_norm = true).
  const Wide* grad_gram_A() const { return products_.data() + 4 * rank() * rank(); }
  const Wide* grad_gram_B() const { return products_.data() + 5 * rank() * rank(); }
  Wide* grad_gram_A() { return products_.data() + 4 * rank() * rank(); }
  Wide* grad_gram_B() { return products_.data() + 5 * rank() * rank(); }

  /// ||A||_F or ||B||_F from the eigenvalues of its Gram matrix.
  double factor_norm(const Spectrum& spectrum) const {
    double sum = 0;
    for (Index i = 0; i < rank(); ++i) sum += spectrum.values[i];
    return std::sqrt(sum);
  }

 private:
  Wide* gram_A() { return products_.data(); }
  Wide* gram_B() { return products_.data() + rank() * rank(); }

  double norm(const Wide* matrix) const {
    return std::sqrt(detail::row_dot(matrix, matrix, rank() * rank()));
  }

  /// <other, d d^T> of d = T g + X f, given g g^T, C = g f^T and f f^T; along = d f^T.
  Wide side_norm(const Wide* on_grad, const Wide* on_factor, const Wide* grad_gram,
                 const Wide* cross, const Wide* gram, const Wide* other, Wide* along,
                 Wide* work) const {
    const Index r = rank(), size = r * r;
    Wide* const first = work;          // d g^T = T g g^T + X C^T
    Wide* const second = work + size;  // other d g^T, then other d f^T
    panel_product_sum({on_grad, r, cross, r}, {on_factor, r, gram, r}, r, r, r, along, r);
    panel_product(on_grad, r, 1, r, r, grad_gram, r, r, first, r, false);
    panel_dots(on_factor, r, r, cross, r, r, r, first, r, 1);
    panel_product(other, r, 1, r, r, first, r, r, second, r, false);
    Wide sum = detail::row_dot(second, on_grad, size);
    panel_product(other, r, 1, r, r, along, r, r, second, r, false);
    return sum + detail::row_dot(second, on_factor, size);
  }

  SpectralPair spectra_;
  AdjustCoefficients coefficients_;
  Buffer<Wide> products_;  // A A^T, B^T B, the two crosses, the two Gram matrices of gradients
  double grad_scale_ = 1;
  double grad_norm_A_ = 0;  // as the buffers hold it
  double grad_norm_B_ = 0;
  bool finite_A_ = false;
  bool finite_B_ = false;
};

LORAPRO_NAMESPACE_END
