// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/rule.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// Upper bounds by which LoRA-Pro rules tell before anything is written whether a step would
/// overflow.

namespace detail {

/// The singular values of a direction of W that has as many of them as it can, all equal, and
/// elements of the root mean square 0.2, as an AdamW step has: those of spectral moments.
inline double usual_singular_value(const PairShape& shape) {
  const double m = static_cast<double>(shape.out_features);
  return 0.2 * std::sqrt(m * static_cast<double>(shape.in_features) /
                         static_cast<double>(shape.step_rank()));
}

/// Upper bound of ||P_B H||_F and ||H P_A||_F of such a direction, and about that of others.
inline double usual_direction_norm(const PairShape& shape) {
  const Index visible = (std::min)({shape.rank, shape.out_features, shape.in_features});
  return usual_singular_value(shape) * std::sqrt(static_cast<double>(visible));
}

/// Of directions that are measured: what is smaller counts as this part of the usual norm, so that
/// the inverses of a second projection are known to fit before there is a direction.
inline double least_direction_norm(const PairShape& shape) {
  return 0x1.0p-10 * usual_direction_norm(shape);
}

/// Upper bound of Adam's direction, 1 / (sqrt(1 - beta2) (1 - beta1 / sqrt(beta2))) while
/// beta1 < sqrt(beta2) (Cauchy and Schwarz on the two averages, bias corrections included).
inline double adam_direction_bound(const OptimizerConfig& config) {
  const double beta1 = *config.beta1;
  const double ratio = beta1 == 0 ? 0 : beta1 / std::sqrt((std::max)(config.beta2, 1e-300));
  return ratio < 1 ? 1 / std::sqrt(1 - config.beta2) / (1 - ratio) : 1e12;
}

/// Bounds of a second step of rules that normalise E to a direction H and project it again, from
/// what prepare knows.
class SecondStepBound {
 public:
  template <typename Scalar>
  explicit SecondStepBound(const PairStep<Scalar>& step)
      : solver_(*step.solver),
        s_(std::abs(step.pair.scaling)),
        norm_{solver_.factor_norm(Side::A), solver_.factor_norm(Side::B)} {
    const Dampings lambda = scale_free_dampings(solver_.spectra(), s_, step.adjust_options(),
                                                least_direction_norm(step.pair.shape()));
    for (const Side side : kSides)
      inverse_[side] = largest_inverse(solver_.spectra().of(other(side)), lambda[side]);
  }

  double largest_factor() const { return (std::max)(norm_.A, norm_.B); }
  /// Largest of (s^2 l + lambda_A)^-1 and (s^2 u + lambda_B)^-1.
  double inverse() const { return (std::max)(inverse_.A, inverse_.B); }

  /// Upper bound of ||E||_F, so of every element.
  double equivalent() const {
    return s_ * (norm_.B * solver_.bound(Side::A) + norm_.A * solver_.bound(Side::B));
  }

  /// Upper bound of the norms of the adjusted (s B^T H, s H A^T) and of its parts.
  /// \param direction  of ||H||_F.
  double step(double direction) const {
    const double t = inverse_.A, q = inverse_.B;
    // ||on_factor|| <= s^2 ||hA A^T|| t q, and so on; three times it covers every gauge.
    const double on_factor = 3 * s_ * s_ * s_ * norm_.A * norm_.B * direction * t * q;
    return (std::max)(t * s_ * norm_.B * direction + on_factor * (std::max)(1.0, norm_.A),
                      q * s_ * norm_.A * direction + on_factor * (std::max)(1.0, norm_.B));
  }

  /// Whether a momentum of this norm can be projected in the wide scalar.
  bool momentum_fits(double norm) const {
    double inverses = 1;
    for (const Side side : kSides) {
      const Spectrum& spectrum = solver_.spectra().of(side);
      double smallest = 1;
      for (Index i = 0; i < solver_.rank(); ++i)
        if (spectrum.counts(i)) smallest = (std::min)(smallest, spectrum.values[i]);
      inverses /= smallest;
    }
    const double factors = (std::max)({1.0, norm_.A, norm_.B});
    return is_below(inverses * factors * factors * (std::max)(1.0, norm),
                    (std::numeric_limits<double>::max)() / 16);
  }

 private:
  double largest_inverse(const Spectrum& spectrum, double lambda) const {
    const double s2 = s_ * s_;
    double smallest = 0;
    if (!(spectrum.largest > 0)) return 0;
    for (Index i = 0; i < solver_.rank(); ++i) {
      const double denominator = s2 * spectrum.values[i] + lambda;
      if (denominator > s2 * spectrum.cutoff && (smallest == 0 || denominator < smallest))
        smallest = denominator;
    }
    return smallest == 0 ? 0 : 1 / smallest;
  }

  const PairSolver& solver_;
  double s_;
  PerSide<double> norm_, inverse_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END
