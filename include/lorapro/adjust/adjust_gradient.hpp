// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>
#include <lorapro/core/factor_pair.hpp>

#include <type_traits>  // std::is_same_v, std::remove_const_t

LORAPRO_NAMESPACE_BEGIN

/// Memory of adjust_gradient for pairs of up to `rank`; keep one to call it without heap use.
/// Not to be shared between threads. \tparam Scalar  float or double: the scalar of the outputs.
template <typename Scalar>
class AdjustWorkspace {
 public:
  explicit AdjustWorkspace(Index rank)
      : solver(rank),
        combination(rank),
        scratch(PairSolver::scratch_size(rank)),
        panels(3 * panel_size(rank)) {}

  PairSolver solver;
  FactorCombination<Scalar> combination;
  Buffer<Wide> scratch;
  Buffer<Scalar> panels;
};

namespace detail {

/// out = the workspace's combination of factor and grad, panel by panel; out may be grad itself.
template <typename Scalar>
void combine_factor(const Factor& factor, const FactorView& out,
                    AdjustWorkspace<Scalar>& workspace) {
  const PanelLayout layout(factor.value);
  const Index size = panel_size(layout.rank());
  Scalar* const panels = workspace.panels.data();
  for (Index panel = 0; panel < layout.count(); ++panel) {
    const auto f = read_panel(factor.value, layout, panel, panels);
    const auto g = read_panel(factor.grad, layout, panel, panels + size);
    const Panel<Scalar> d{panels + 2 * size, layout.stride()};
    workspace.combination.apply({layout, panel}, f, g, d, Workspace(workspace.scratch));
    write_panel(read_only(d), out, layout, panel);
  }
}

/// \param out  where dA and dB^T go.
template <typename Scalar>
AdjustReport adjust_factors(const Pair& pair, const AdjustOptions& options,
                            const PerSide<FactorView>& out, AdjustWorkspace<Scalar>& workspace) {
  PairSolver& solver = workspace.solver;
  AdjustReport report = solver.solve(pair, options, 1.0, false, Workspace(workspace.scratch));
  if (!report.usable()) return report;
  const AdjustCoefficients& c = solver.coefficients();
  const auto take = [&](Side side) {
    return workspace.combination.set(c[side], c.conditioning(), PanelLayout(pair[side].value));
  };
  const double limit = static_cast<double>((std::numeric_limits<Scalar>::max)());
  if (!solver.is_bounded_by(limit) || !take(Side::B) || !take(Side::A)) {
    report.status = AdjustStatus::overflow;
    return report;
  }
  for (const Side side : kSides) {
    (void)take(side);
    combine_factor(pair[side], out[side], workspace);
  }
  return report;
}

}  // namespace detail

/// The gradients (dA, dB) whose step is closest to a step along the full gradient G:
/// min ||s (B dA + dB A) - G||_F^2 + lambda_A ||dA||_F^2 + lambda_B ||dB||_F^2, from
/// grad_A = s B^T G and grad_B = s G A^T alone (AdjustCoefficients has the formulas). A step A -=
/// lr dA, B -= lr dB then moves W = W0 + s B A by -lr times the projection of G on the tangent
/// space, to first order.
///
/// Any rank >= 1, larger than the sides included; B = 0, A = 0, equal columns, any conditioning
/// give the answer documented at AdjustOptions::damping, without a special case in the caller.
///
/// \code
/// adjust_gradient(lora_factors(A, B, s), factor_pair(grad_A, grad_B), factor_pair(dA, dB));
/// \endcode
///
/// \param lora   A (rank, in_features), B (out_features, rank) and s, which is not 0.
/// \param grad   s B^T G and s G A^T.
/// \param[out] adjusted  dA and dB, float or double; each may be the gradient itself (adjusting in
///         place), nothing else may overlap.
/// All matrices of any storage order and stride; the inputs of float, double, bfloat16 or half.
/// \param workspace  for this rank; without it one is allocated.
/// \return what happened. With status non_finite or overflow nothing has been written.
/// \cost 7 r^2 (m + n) + 38 r^3 flops; reads the inputs twice, writes the outputs once; no heap
///       when a workspace is given; no m x m or n x n matrix.
/// \throws ShapeError (shapes, null pointers, overlapping memory), ConfigError (scaling, options);
///         nothing has been written then.
/// \ref arXiv:2407.18242v3, Theorems 2.1 and 2.3.
/// In plain Eigen: bench/naive/adjust.hpp.
template <typename LoraA, typename LoraB, typename GradA, typename GradB, typename Scalar,
          typename ScalarB>
[[nodiscard]] AdjustReport adjust_gradient(
    const LoraFactors<LoraA, LoraB>& lora, const FactorPair<GradA, GradB>& grad,
    const FactorPair<Scalar, ScalarB>& adjusted, const AdjustOptions& options = {},
    AdjustWorkspace<std::remove_const_t<Scalar>>* workspace = nullptr) {
  static_assert(is_compute_scalar_v<Scalar>, "adjusted.A must be writable float or double");
  static_assert(std::is_same_v<Scalar, ScalarB>,
                "adjusted.A and adjusted.B must have the same scalar");
  const auto& [dA, dB] = adjusted;
  const auto& [gA, gB] = grad;
  const auto& A = lora.A;
  const auto& B = lora.B;
  const Index rank = A.rows, in = A.cols, out = B.rows;
  if (rank < 1) throw ShapeError("lora_A: expected rank >= 1, got " + std::to_string(rank));
  detail::check_view("lora_A", A, rank, in);
  detail::check_view("lora_B", B, out, rank);
  detail::check_view("grad_A", gA, rank, in);
  detail::check_view("grad_B", gB, out, rank);
  detail::check_view("adjusted_A", dA, rank, in);
  detail::check_view("adjusted_B", dB, out, rank);
  checks::config(is_finite(lora.scaling) && lora.scaling != 0, "scaling",
                 "a finite number other than 0", lora.scaling);
  options.validate();
  const auto range_dA = detail::address_range(dA), range_dB = detail::address_range(dB);
  const auto same = [](const auto& a, const auto& b) {
    return static_cast<const void*>(a.data) == static_cast<const void*>(b.data) &&
           a.row_stride == b.row_stride && a.col_stride == b.col_stride;
  };
  detail::check_disjoint("adjusted_A", range_dA, "lora_A", detail::address_range(A));
  detail::check_disjoint("adjusted_A", range_dA, "lora_B", detail::address_range(B));
  detail::check_disjoint("adjusted_A", range_dA, "grad_B", detail::address_range(gB));
  detail::check_disjoint("adjusted_A", range_dA, "adjusted_B", range_dB);
  detail::check_disjoint("adjusted_B", range_dB, "lora_A", detail::address_range(A));
  detail::check_disjoint("adjusted_B", range_dB, "lora_B", detail::address_range(B));
  detail::check_disjoint("adjusted_B", range_dB, "grad_A", detail::address_range(gA));
  if (!same(dA, gA))
    detail::check_disjoint("adjusted_A", range_dA, "grad_A", detail::address_range(gA));
  if (!same(dB, gB))
    detail::check_disjoint("adjusted_B", range_dB, "grad_B", detail::address_range(gB));

  Pair pair;
  pair.A.value = factor_of_A(A);
  pair.A.grad = factor_of_A(gA);
  pair.B.value = factor_of_B(B);
  pair.B.grad = factor_of_B(gB);
  pair.scaling = lora.scaling;
  const PerSide<FactorView> result{factor_of_A(dA), factor_of_B(dB)};
  if (workspace != nullptr) {
    if (workspace->solver.rank() != rank)
      throw ShapeError("workspace: expected rank " + std::to_string(rank) + ", got " +
                       std::to_string(workspace->solver.rank()));
    return detail::adjust_factors<Scalar>(pair, options, result, *workspace);
  }
  AdjustWorkspace<Scalar> own(rank);
  return detail::adjust_factors<Scalar>(pair, options, result, own);
}

LORAPRO_NAMESPACE_END
