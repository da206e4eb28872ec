// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/spectral_pair.hpp>
#include <lorapro/optim/earlier_factors.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Orthonormal bases of what the factors can reach, now and in an earlier step, in which moments do
/// not depend on how W is factorised:
///
///     U = B Z^T,  Z = l^-1/2 X^T  of  B^T B = X diag(l) X^T,  K = U^T U_old         for A's moments
///
/// and the same of A^T for those of B. Which eigenvectors come out does not matter, also where they
/// change from step to step: K follows. State: that of EarlierFactors, and basis_A and basis_B, the
/// Z of the earlier step, (r, r).
template <typename Scalar>
class MovingBases {
 public:
  explicit MovingBases(const PairShape& shape)
      : earlier_(shape), arena_(6 * square_size(shape.rank)) {
    for (SideBases& side : sides_)
      side = {arena_.square(shape.rank), arena_.square(shape.rank), arena_.square(shape.rank)};
    arena_.close();
  }
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    earlier_.visit(visitor);
    for (const Side side : kSides) {
      const Square basis = sides_[side].before;
      visitor(std::string(side == Side::A ? "basis_A" : "basis_B"),
              StateTensor(basis.data(), basis.order(), basis.order()));
    }
  }

  /// Scratch of compute, in Wide elements, of each thread.
  static Index scratch_size(Index rank) {
    return (std::max)(EarlierFactors<Scalar>::scratch_size(rank), square_size(rank));
  }

  /// Z and K of both sides. \cost 2 r^2 (m + n) + 8 r^3 flops; no heap.
  void compute(const Pair& pair, const SpectralPair& spectra, const Team<Scalar>& team) {
    team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
      earlier_.measure(side, pair[side].value, scratch.wide);
    });
    Workspace scratch = team.own().wide;
    const Square product = scratch.square(spectra.rank());
    for (const Side side : kSides) {
      const SideBases& of = sides_[side];
      whitening(spectra.of(other(side)), of.now);
      multiply(product, of.now, earlier_.overlap(other(side)));
      multiply(of.K, product, transposed(of.before));
    }
  }
  ConstSquare Z(Side side) const { return sides_[side].now; }
  ConstSquare K(Side side) const { return sides_[side].K; }
  const EarlierFactors<Scalar>& earlier() const { return earlier_; }

  /// Takes factors and bases for the ones that come to be the earlier.
  void keep(const Pair& pair, const Team<Scalar>& team) {
    for (const Side side : kSides) {
      copy(sides_[side].before, sides_[side].now);
      earlier_.keep(side, pair[side].value, team);
    }
  }

 private:
  struct SideBases {
    Square before, now;  // Z
    Square K;
  };

  EarlierFactors<Scalar> earlier_;
  Arena arena_;
  PerSide<SideBases> sides_;
};

LORAPRO_NAMESPACE_END
