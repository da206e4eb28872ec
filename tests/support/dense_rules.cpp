// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/dense_rules.hpp"

#include <lorapro/core/random.hpp>

#include <algorithm>  // std::max
#include <cmath>      // std::sqrt, std::pow

namespace rule_battery {

RealMatrix product(const RealMatrix& a, const RealMatrix& b) {
  REQUIRE(a.cols() == b.rows());
  RealMatrix out = RealMatrix::Zero(a.rows(), b.cols());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index k = 0; k < a.cols(); ++k)
      for (Index j = 0; j < b.cols(); ++j) out(i, j) += a(i, k) * b(k, j);
  return out;
}

RealMatrix transposed(const RealMatrix& a) { return a.transpose(); }

Real max_abs(const RealMatrix& a) {
  Real out = 0;
  for (Index i = 0; i < a.size(); ++i) {
    const Real x = std::abs(a.data()[i]);
    if (!(x <= out)) out = x;  // true for NaN as well
  }
  return out;
}

Real squared_norm(const RealMatrix& a) {
  Real out = 0;
  for (Index i = 0; i < a.size(); ++i) out += a.data()[i] * a.data()[i];
  return out;
}

RealMatrix random_matrix(Index rows, Index cols, std::uint64_t seed, double deviation) {
  RealMatrix out(rows, cols);
  for (Index i = 0; i < out.size(); ++i)
    out.data()[i] = deviation * lorapro::random_normal(seed, static_cast<std::uint64_t>(i));
  return out;
}

Eigenpairs jacobi(RealMatrix S) {
  const Index n = S.rows();
  Eigenpairs out{std::vector<Real>(static_cast<std::size_t>(n)), RealMatrix::Identity(n, n), 0};
  for (int sweep = 0; sweep < 60; ++sweep)
    for (Index p = 0; p < n; ++p)
      for (Index q = p + 1; q < n; ++q) {
        if (S(p, q) == 0) continue;
        const Real theta = (S(q, q) - S(p, p)) / (2 * S(p, q));
        const Real t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const Real c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (Index k = 0; k < n; ++k) {
          const Real x = S(k, p), y = S(k, q);
          S(k, p) = c * x - s * y;
          S(k, q) = s * x + c * y;
        }
        for (Index k = 0; k < n; ++k) {
          const Real x = S(p, k), y = S(q, k);
          S(p, k) = c * x - s * y;
          S(q, k) = s * x + c * y;
          const Real v = out.vectors(k, p), w = out.vectors(k, q);
          out.vectors(k, p) = c * v - s * w;
          out.vectors(k, q) = s * v + c * w;
        }
        S(p, q) = S(q, p) = 0;
      }
  for (Index i = 0; i < n; ++i) {
    out.values[static_cast<std::size_t>(i)] = std::max(S(i, i), Real(0));
    out.largest = std::max(out.largest, S(i, i));
  }
  return out;
}

Lambdas lambdas(const Factors& f, double scaling, double rho, Real step_norm, double kappa,
                bool A_is_free) {
  if (rho == 0) return {};
  Lambdas out = reference::dampings(f.A, f.B, scaling, rho);
  const Real size = squared_norm(A_is_free ? f.B : f.A), tau = step_norm / (2 * Real(kappa));
  if (size > 0) (A_is_free ? out.B : out.A) += tau * tau / size;
  return out;
}

Real fixed_norm(const Factors& f, const Factors& g, double scaling, double rho, bool A_is_free) {
  const RealMatrix rows = A_is_free ? f.A : transposed(f.B);
  const RealMatrix seen = A_is_free ? transposed(g.B) : g.A;
  RealMatrix P = product(rows, transposed(rows));
  P += rho * jacobi(P).largest * RealMatrix::Identity(P.rows(), P.cols());
  if (max_abs(P) == 0) return 0;
  return std::sqrt(reference::dot(product(reference::pinv(P), seen), seen)) /
         std::abs(Real(scaling));
}

AdjustedReference adjust(const Factors& f, const Factors& g, double scaling, const Lambdas& lambda,
                         lorapro::Gauge gauge, double storage_eps) {
  const Index r = f.A.rows();
  const Real s2 = Real(scaling) * scaling;
  const RealMatrix P = product(transposed(f.B), f.B), Q = product(f.A, transposed(f.A));
  const Eigenpairs p = jacobi(P), q = jacobi(Q);
  const Real eps = std::max(storage_eps * storage_eps, 0x1.0p-52);
  const Real cut_p = r * eps * p.largest, cut_q = r * eps * q.largest;
  AdjustedReference out;
  const auto inverse = [&](Real value, Real cutoff, Real largest, Real damping) -> Real {
    const Real denominator = s2 * value + damping;
    if (!(denominator > s2 * cutoff)) return 0;
    out.condition = std::max(out.condition, (s2 * largest + damping) / denominator);
    return 1 / denominator;
  };
  const auto damped_inverse = [&](const Eigenpairs& e, Real cutoff, Real damping) {
    RealMatrix diagonal = RealMatrix::Zero(r, r);
    for (Index i = 0; e.largest > 0 && i < r; ++i)
      diagonal(i, i) = inverse(e.values[static_cast<std::size_t>(i)], cutoff, e.largest, damping);
    return product(product(e.vectors, diagonal), transposed(e.vectors));
  };
  const RealMatrix left = damped_inverse(p, cut_p, lambda.A),
                   right = damped_inverse(q, cut_q, lambda.B);
  // Solution of s^2 (lambda_B P Y + lambda_A Y Q) + lambda_A lambda_B Y = own C in the eigenbases,
  // undamped of s^2 (P Y + Y Q) = C.
  const auto sylvester = [&](const RealMatrix& C, Real own) {
    RealMatrix Y = product(product(transposed(p.vectors), C), q.vectors);
    for (Index i = 0; i < r; ++i)
      for (Index j = 0; j < r; ++j) {
        const Real l = p.values[static_cast<std::size_t>(i)];
        const Real u = q.values[static_cast<std::size_t>(j)];
        const Real sum = s2 * (lambda.B * l + lambda.A * u) + lambda.A * lambda.B;
        if (lambda.A == 0 && lambda.B == 0)
          Y(i, j) *= inverse(l + u, cut_p + cut_q, p.largest + q.largest, 0);
        else
          Y(i, j) *= sum > 0 ? own / sum : 0;
      }
    return product(product(p.vectors, Y), transposed(q.vectors));
  };
  const RealMatrix X_A = -s2 * sylvester(product(left, product(g.A, transposed(f.A))), lambda.A);
  const RealMatrix X_B = -s2 * sylvester(product(product(transposed(f.B), g.B), right), lambda.B);
  out.A = product(left, g.A) + product(X_A, f.A);
  out.B = product(g.B, right) + product(f.B, X_B);
  RealMatrix X = RealMatrix::Zero(r, r);
  if (gauge == lorapro::Gauge::zero) X = -X_A;
  if (gauge == lorapro::Gauge::balanced) {
    const RealMatrix imbalance = product(f.B, out.A) - product(out.B, f.A);
    X = -s2 * s2 / 2 *
        product(product(left, product(transposed(f.B), product(imbalance, transposed(f.A)))),
                right);
  }
  out.A += product(X, f.A);
  out.B -= product(f.B, X);
  return out;
}

RealMatrix equivalent_gradient(const Factors& f, const AdjustedReference& d, double s) {
  return Real(s) * (product(f.B, d.A) + product(d.B, f.A));
}

RealMatrix adam(Moments& moments, const RealMatrix& g, const lorapro::OptimizerConfig& c,
                std::int64_t step) {
  if (moments.exp_avg.size() == 0)
    moments.exp_avg = moments.exp_avg_sq = RealMatrix::Zero(g.rows(), g.cols());
  const Real b1 = c.beta1.value_or(0.9), b2 = c.beta2;
  RealMatrix out(g.rows(), g.cols());
  for (Index i = 0; i < g.size(); ++i) {
    Real& m = moments.exp_avg.data()[i];
    Real& v = moments.exp_avg_sq.data()[i];
    const Real x = g.data()[i];
    m = b1 * m + (1 - b1) * x;
    v = b2 * v + (1 - b2) * x * x;
    out.data()[i] = m / (1 - std::pow(b1, Real(step))) /
                    (std::sqrt(v / (1 - std::pow(b2, Real(step)))) + Real(c.eps));
  }
  return out;
}

ProjectedReference tangent_projection(const Factors& f, const RealMatrix& M, double storage_eps) {
  ProjectedReference out;
  const Index r = f.A.rows();
  const auto projector = [&](const RealMatrix& rows) {  // on the span of the rows
    const Eigenpairs e = jacobi(product(rows, transposed(rows)));
    const Real cutoff = r * std::max(storage_eps * storage_eps, 0x1.0p-52) * e.largest;
    RealMatrix diagonal = RealMatrix::Zero(r, r);
    for (Index i = 0; i < r; ++i) {
      const Real value = e.values[static_cast<std::size_t>(i)];
      if (!(value > cutoff)) continue;
      diagonal(i, i) = 1 / value;
      out.condition = std::max(out.condition, e.largest / value);
    }
    const RealMatrix inverse = product(product(e.vectors, diagonal), transposed(e.vectors));
    return product(product(transposed(rows), inverse), rows);
  };
  const RealMatrix P_B = projector(transposed(f.B)), P_A = projector(f.A);
  const RealMatrix inside = product(P_B, M);
  out.M = inside + product(RealMatrix(M - inside), P_A);
  return out;
}

RealMatrix factored_direction(Energies& energies, const RealMatrix& M, const RealMatrix& G,
                              const lorapro::OptimizerConfig& c, std::int64_t step) {
  const Index m = G.rows(), n = G.cols();
  if (energies.row.size() == 0) {
    energies.row = RealMatrix::Zero(m, 1);
    energies.col = RealMatrix::Zero(1, n);
  }
  energies.row *= c.beta2;
  energies.col *= c.beta2;
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      energies.row(i, 0) += (1 - Real(c.beta2)) * G(i, j) * G(i, j);
      energies.col(0, j) += (1 - Real(c.beta2)) * G(i, j) * G(i, j);
    }
  const Real correction = 1 - std::pow(Real(c.beta2), Real(step));
  Real sum = 0;
  for (Index i = 0; i < m; ++i) sum += energies.row(i, 0);
  const Real all = std::sqrt(sum / correction / (m * n)), floor = 0x1.0p-20L * all, eps = c.eps;
  RealMatrix H(m, n);
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      const Real a = std::max(floor, std::sqrt(energies.row(i, 0) / correction / n));
      const Real b = std::max(floor, std::sqrt(energies.col(0, j) / correction / m));
      H(i, j) = M(i, j) / (1 - std::pow(Real(c.beta1.value_or(0.9)), Real(step))) * (all + eps) /
                (a + eps) / (b + eps);
    }
  return H;
}

OrthogonalReference orthogonal_factor(const RealMatrix& N, Index rank) {
  const reference::Svd svd = reference::svd(N);
  OrthogonalReference out{RealMatrix::Zero(N.rows(), N.cols()), 1};
  for (std::size_t k = 0; k < svd.values.size(); ++k) {
    const Real value = svd.values[k];
    if (!(value > 1e-5L * svd.largest())) continue;
    const auto column = static_cast<Index>(k);
    out.condition = std::max(out.condition, svd.largest() / value);
    out.H += product(RealMatrix(svd.U.col(column)), transposed(RealMatrix(svd.V.col(column))));
  }
  rank = std::min({rank, N.rows(), N.cols()});
  out.H *= 0.2L * std::sqrt(Real(N.size()) / Real(rank));
  return out;
}

Factors Reference::update(const Factors& f, Factors g) {
  ++step;
  const lorapro::GroupConfig& group = config.group;
  const bool pro = kind != Kind::sgd && kind != Kind::adamw && kind != Kind::muon;
  const double lr = group.lr * config.schedule.factor(step);
  if (step == 1) A_is_free = max_abs(f.A) == 0 && max_abs(f.B) > 0;
  const Index r = f.A.rows(), m = f.B.rows(), n = f.A.cols();
  const Real usual_norm = 0.2L * std::sqrt(Real(m) * Real(n) * Real(std::min({r, m, n})) /
                                           Real(std::min({2 * r, m, n})));
  const double kappa =
      config.max_relative_move.value_or(kind == Kind::lora_pro_spectral ? 0.1 : 0.05);
  const auto project = [&](const Factors& gradient, Real direction_norm) {
    const Real fixed_lr = A_is_free ? lr * group.loraplus_lr_ratio : lr;
    AdjustedReference d =
        adjust(f, gradient, scaling,
               lambdas(f, scaling, config.damping, fixed_lr * direction_norm, kappa, A_is_free),
               config.gauge, storage_eps);
    condition = d.condition;
    return d;
  };
  Real first_norm = kind == Kind::lora_pro_sgd
                        ? fixed_norm(f, g, scaling, config.damping, A_is_free)
                        : usual_norm;
  clip = 1;
  grad_norm = 0;
  if (group.clip_norm != lorapro::ClipNorm::none) {
    Real squared = squared_norm(g.A) + squared_norm(g.B);
    if (pro && group.clip_norm == lorapro::ClipNorm::equivalent_gradient)
      squared = squared_norm(equivalent_gradient(f, project(g, first_norm), scaling));
    grad_norm = static_cast<double>(std::sqrt(squared));
    if (grad_norm > group.max_grad_norm) clip = group.max_grad_norm / grad_norm;
    g.A *= clip;
    g.B *= clip;
    if (kind == Kind::lora_pro_sgd) first_norm *= clip;
  }
  if (kind == Kind::muon) {
    momentum_condition = 1;
    last_step = {muon(of_A, g.A), muon(of_B, g.B)};
  } else if (!pro) {
    last_step = g;
  } else {
    const AdjustedReference d = project(g, first_norm);
    last_step = {d.A, d.B};
    if (kind != Kind::lora_pro_sgd && kind != Kind::lora_pro_adapter) {
      gradient_W = equivalent_gradient(f, d, scaling);
      const RealMatrix H = direction(f);
      const Factors seen{Real(scaling) * product(transposed(f.B), H),
                         Real(scaling) * product(H, transposed(f.A))};
      const Real second_norm =
          kind == Kind::lora_pro_spectral
              ? usual_norm
              : std::max(usual_norm / 1024,
                         fixed_norm(f, seen, scaling, config.damping, A_is_free));
      const AdjustedReference back = project(seen, second_norm);
      last_step = {back.A, back.B};
    }
  }
  if (kind == Kind::adamw || kind == Kind::lora_pro_adapter)
    last_step = {adam(of_A, last_step.A, config, step), adam(of_B, last_step.B, config, step)};
  const Real lr_B = Real(lr) * group.loraplus_lr_ratio;
  Real decay = 1 - Real(lr) * group.weight_decay, decay_B = 1 - lr_B * group.weight_decay;
  if (group.decay_target == lorapro::DecayTarget::merged) decay = decay_B = std::sqrt(decay);
  return {decay * f.A - Real(lr) * last_step.A, decay_B * f.B - lr_B * last_step.B};
}

Real Reference::beta1() const {
  const bool orthogonal = kind == Kind::muon || kind == Kind::lora_pro_spectral;
  return config.beta1.value_or(orthogonal ? 0.95 : 0.9);
}

RealMatrix Reference::muon(Moments& moments, const RealMatrix& g) {
  const Real b1 = beta1();
  if (moments.exp_avg.size() == 0) moments.exp_avg = RealMatrix::Zero(g.rows(), g.cols());
  moments.exp_avg = b1 * moments.exp_avg + (1 - b1) * g;
  const OrthogonalReference out = orthogonal_factor(b1 * moments.exp_avg + (1 - b1) * g);
  momentum_condition = std::max(momentum_condition, out.condition * out.condition);
  return out.H;
}

RealMatrix Reference::direction(const Factors& f) {
  if (kind == Kind::lora_pro_full) return adam(of_W, gradient_W, config, step);
  if (momentum.size() == 0) momentum = RealMatrix::Zero(f.B.rows(), f.A.cols());
  const ProjectedReference moved = tangent_projection(f, momentum, storage_eps);
  momentum_condition = moved.condition;
  momentum = beta1() * moved.M + (1 - beta1()) * gradient_W;
  if (kind == Kind::lora_pro_factored)
    return factored_direction(energies, momentum, gradient_W, config, step);
  const OrthogonalReference orthogonal =
      orthogonal_factor(beta1() * momentum + (1 - beta1()) * gradient_W, 2 * f.A.rows());
  momentum_condition *= orthogonal.condition * orthogonal.condition;
  return orthogonal.H;
}

}  // namespace rule_battery
