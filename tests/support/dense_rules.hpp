// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Plain dense long-double references of every rule, m x n matrices and all.

#include <lorapro/optim/optimizer_config.hpp>

#include <algorithm>  // std::max
#include <cmath>      // std::sqrt, std::pow
#include <limits>     // std::numeric_limits
#include <vector>     // std::vector

#include "support/catch.hpp"
#include "support/reference.hpp"

namespace rule_battery {

using lorapro::bfloat16;
using lorapro::Index;
using lorapro::RowMatrix;
using Real = long double;
using RealMatrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// ---------------------------------------------------------------- plain dense arithmetic

/// Naive loops on purpose: nothing here shares code with the library or Eigen's kernels.
RealMatrix product(const RealMatrix& a, const RealMatrix& b);

RealMatrix transposed(const RealMatrix& a);

Real max_abs(const RealMatrix& a);

Real squared_norm(const RealMatrix& a);

template <typename T>
RealMatrix real(const RowMatrix<T>& a) {
  RealMatrix out(a.rows(), a.cols());
  for (Index i = 0; i < a.size(); ++i)
    out.data()[i] = static_cast<Real>(static_cast<double>(a.data()[i]));
  return out;
}

/// Writes in place: an optimizer may hold the address of `out`, which an assignment could move.
template <typename T>
void round_into(const RealMatrix& a, RowMatrix<T>& out) {
  REQUIRE(a.size() == out.size());
  for (Index i = 0; i < a.size(); ++i)
    out.data()[i] = static_cast<T>(static_cast<double>(a.data()[i]));
}

template <typename T>
RowMatrix<T> rounded(const RealMatrix& a) {
  RowMatrix<T> out(a.rows(), a.cols());
  round_into(a, out);
  return out;
}

RealMatrix random_matrix(Index rows, Index cols, std::uint64_t seed, double deviation = 1);

struct Eigenpairs {
  std::vector<Real> values;
  RealMatrix vectors;  ///< column i belongs to values[i]
  Real largest = 0;
};

/// Cyclic Jacobi: slow, short, and not what the library does.
Eigenpairs jacobi(RealMatrix S);

// ---------------------------------------------------------------- references of the rules

struct Factors {
  RealMatrix A, B;
};

struct AdjustedReference {
  RealMatrix A, B;     ///< dA, dB
  Real condition = 1;  ///< of the inverses that went into them
};

using reference::Lambdas;

/// The damped closed form and its gauges, with dense matrices and long double.
AdjustedReference adjust(const Factors& f, const Factors& g, double scaling, const Lambdas& lambda,
                         lorapro::Gauge gauge, double storage_eps);

/// lambda_A = rho s^2 l_max, lambda_B = rho s^2 u_max, of the fixed factor F besides
/// (step_norm / (2 kappa ||F||))^2.
Lambdas lambdas(const Factors& f, double scaling, double rho, Real step_norm = 0, double kappa = 1,
                bool A_is_free = false);

/// ||(B B^T)^(1/2) (B B^T + rho l_max)^(-1/2) G||_F from s B^T G, or the like from s G A^T.
Real fixed_norm(const Factors& f, const Factors& g, double scaling, double rho, bool A_is_free);

RealMatrix equivalent_gradient(const Factors& f, const AdjustedReference& d, double s);

struct Moments {
  RealMatrix exp_avg, exp_avg_sq;
};

/// Adam in long double; `step` from 1.
RealMatrix adam(Moments& moments, const RealMatrix& g, const lorapro::OptimizerConfig& c,
                std::int64_t step);

/// P_B M + M P_A - P_B M P_A, undamped, with the projectors on what survives the relative cutoff.
struct ProjectedReference {
  RealMatrix M;
  Real condition = 1;  ///< of the inverses that a projector holds
};
ProjectedReference tangent_projection(const Factors& f, const RealMatrix& M, double storage_eps);

/// Second moments of rank one.
struct Energies {
  RealMatrix row, col;
};

/// D_row M D_col / (1 - beta1^t) with Adafactor's estimate of the second moment of G; `step`
/// from 1.
RealMatrix factored_direction(Energies& energies, const RealMatrix& M, const RealMatrix& G,
                              const lorapro::OptimizerConfig& c, std::int64_t step);

/// U V^T of the singular values above 1e-5 of the largest, times 0.2 sqrt(m n / rank): a matrix of
/// that rank, full if it is not given, gets elements whose root mean square is 0.2.
struct OrthogonalReference {
  RealMatrix H;
  Real condition = 1;  ///< largest over smallest singular value that is kept
};
OrthogonalReference orthogonal_factor(const RealMatrix& N,
                                      Index rank = std::numeric_limits<Index>::max());

enum class Kind {
  sgd,
  adamw,
  muon,
  lora_pro_sgd,
  lora_pro_adapter,
  lora_pro_full,
  lora_pro_factored,
  lora_pro_spectral
};

/// One pair under one rule: the plain dense algorithm, m x n matrices and all.
struct Reference {
  Kind kind;
  lorapro::OptimizerConfig config;
  double scaling = 1;
  double storage_eps = 0;
  std::int64_t step = 0;
  Moments of_A{}, of_B{}, of_W{};
  double clip = 1;          ///< factor that the last step applied
  double grad_norm = 0;     ///< what it measured
  Real condition = 1;       ///< of the last step
  Factors last_step{};      ///< what was multiplied by lr
  RealMatrix gradient_W{};  ///< E of the last step (rules with a second projection)
  RealMatrix momentum{};    ///< in the tangent space of the last step
  Energies energies{};
  Real momentum_condition = 1;  ///< of its projection, and of its orthogonal factor
  bool A_is_free = false;       ///< A was zero, and B was not, at the first step

  /// The factors after one more step, by the gradients g.
  Factors update(const Factors& f, Factors g);

 private:
  Real beta1() const;
  RealMatrix muon(Moments& moments, const RealMatrix& g);
  RealMatrix direction(const Factors& f);
};

}  // namespace rule_battery
