// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/symmetric_eigen.hpp>

LORAPRO_NAMESPACE_BEGIN

/// One matrix that is to be decomposed, S = V diag(values) V^T.
struct EigenProblem {
  enum class State {
    none,     ///< nothing to do
    pending,  ///< `matrix` is to be decomposed
    settled,  ///< values and vectors are there
    failed    ///< not finite, or the iteration did not settle; values and vectors are undefined
  };

  const Wide* matrix = nullptr;  ///< (size, size), row-major, both triangles filled
  Wide* values = nullptr;        ///< (size)
  Wide* vectors = nullptr;       ///< (size, size), row i is the eigenvector of values[i]
  State state = State::none;
};

namespace detail {

LORAPRO_PACKET_ARGUMENTS_BEGIN

/// As many matrices as a packet has lanes, element (i, j) of all of them side by side: one chain of
/// dependent rotations, whose roots and quotients the processor waits for, serves them all.
///
/// What happens in a lane depends on its own matrix alone, up to the sign of zeros. Products are
/// not added but in a fused way, which compilers may or may not choose elsewhere: so the width of
/// the packet makes no difference either.
template <typename Packet>
class EigenLanes {
 public:
  static constexpr Index kLanes = Eigen::internal::unpacket_traits<Packet>::size;

  /// \param scratch  kLanes (2 size^2 + 4 size) elements.
  EigenLanes(Index size, Wide* scratch)
      : size_(size),
        matrix_(scratch),
        vectors_(matrix_ + size * size * kLanes),
        diagonal_(vectors_ + size * size * kLanes),
        off_diagonal_(diagonal_ + size * kLanes),
        products_(off_diagonal_ + size * kLanes),
        betas_(products_ + size * kLanes) {}

  /// Decomposes problems[0 .. count - 1], count <= kLanes.
  void run(EigenProblem* const* problems, Index count) {
    int exponents[kLanes] = {};
    const Wide* matrices[kLanes] = {};
    Wide* vectors[kLanes] = {};
    for (Index lane = 0; lane < count; ++lane)
      if (binary_scale(problems[lane]->matrix, size_ * size_, exponents[lane]))
        matrices[lane] = problems[lane]->matrix;
    interleave(matrices, exponents);
    tridiagonalize();
    accumulate();
    Wide settled[kLanes];
    tridiagonal_ql(settled);
    for (Index lane = 0; lane < count; ++lane) {
      EigenProblem& problem = *problems[lane];
      problem.state = EigenProblem::State::failed;
      if (matrices[lane] == nullptr || settled[lane] == 0) continue;
      problem.state = EigenProblem::State::settled;
      vectors[lane] = problem.vectors;
      for (Index i = 0; i < size_; ++i)
        problem.values[i] = std::ldexp(diagonal_[i * kLanes + lane], exponents[lane]);
    }
    separate(vectors);
  }

 private:
  using Mask = typename LaneMask<Packet>::Mask;

  static LORAPRO_ALWAYS_INLINE Packet load(const Wide* p) {
    return Eigen::internal::ploadu<Packet>(p);
  }
  static LORAPRO_ALWAYS_INLINE void store(Wide* p, const Packet& v) {
    Eigen::internal::pstoreu(p, v);
  }
  static LORAPRO_ALWAYS_INLINE Packet set(Wide v) { return Eigen::internal::pset1<Packet>(v); }
  static LORAPRO_ALWAYS_INLINE Packet fma(const Packet& a, const Packet& b, const Packet& c) {
    return Eigen::internal::pmadd(a, b, c);
  }
  static LORAPRO_ALWAYS_INLINE Packet select(const Mask& mask, const Packet& a, const Packet& b) {
    return LaneMask<Packet>::select(mask, a, b);
  }
  static LORAPRO_ALWAYS_INLINE Mask less(const Packet& a, const Packet& b) {
    return LaneMask<Packet>::less(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Mask less_equal(const Packet& a, const Packet& b) {
    return LaneMask<Packet>::less_equal(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Mask equal(const Packet& a, const Packet& b) {
    return LaneMask<Packet>::equal(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Mask both(const Mask& a, const Mask& b) {
    return LaneMask<Packet>::both(a, b);
  }

  Wide* row(Wide* matrix, Index i, Index j) const { return matrix + (i * size_ + j) * kLanes; }

  using Square = Eigen::internal::PacketBlock<Packet, static_cast<int>(kLanes)>;

  /// Zeroes in place of a matrix that is not there.
  void interleave(const Wide* const* matrices, const int* exponents) {
    Wide factors[kLanes];
    for (Index lane = 0; lane < kLanes; ++lane) factors[lane] = std::ldexp(1.0, -exponents[lane]);
    const Index count = size_ * size_;
    Index i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      Square square;
      LORAPRO_UNROLL
      for (Index lane = 0; lane < kLanes; ++lane)
        square.packet[lane] =
            matrices[lane] == nullptr
                ? set(0)
                : Eigen::internal::pmul(set(factors[lane]), load(matrices[lane] + i));
      Eigen::internal::ptranspose(square);
      LORAPRO_UNROLL
      for (Index k = 0; k < kLanes; ++k) store(matrix_ + (i + k) * kLanes, square.packet[k]);
    }
    for (; i < count; ++i)
      for (Index lane = 0; lane < kLanes; ++lane)
        matrix_[i * kLanes + lane] =
            matrices[lane] == nullptr ? 0 : factors[lane] * matrices[lane][i];
  }

  /// Writes the vectors of the lanes that have a target. Rotations by nothing, while other lanes
  /// went on, may have changed the sign of a zero: + 0 makes them all positive.
  void separate(Wide* const* targets) const {
    const Index count = size_ * size_;
    Index i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      Square square;
      LORAPRO_UNROLL
      for (Index k = 0; k < kLanes; ++k) square.packet[k] = load(vectors_ + (i + k) * kLanes);
      Eigen::internal::ptranspose(square);
      LORAPRO_UNROLL
      for (Index lane = 0; lane < kLanes; ++lane)
        if (targets[lane] != nullptr)
          store(targets[lane] + i, Eigen::internal::padd(square.packet[lane], set(0)));
    }
    for (; i < count; ++i)
      for (Index lane = 0; lane < kLanes; ++lane)
        if (targets[lane] != nullptr) targets[lane][i] = vectors_[i * kLanes + lane] + 0.0;
  }

  /// f(block, i) for rows i in blocks of four and then one: independent chains of additions.
  template <typename F>
  static LORAPRO_ALWAYS_INLINE void for_row_blocks(Index first, Index last, const F& f) {
    Index i = first;
    for (; i + 4 <= last; i += 4) f(std::integral_constant<Index, 4>{}, i);
    for (; i < last; ++i) f(std::integral_constant<Index, 1>{}, i);
  }

  /// sum[i] = row i of kRows rows, `stride` apart, times v.
  template <Index kRows>
  static LORAPRO_ALWAYS_INLINE void dots(const Wide* rows, Index stride, const Wide* v,
                                         Index length, Packet* sum) {
    LORAPRO_UNROLL
    for (Index i = 0; i < kRows; ++i) sum[i] = set(0);
    for (Index j = 0; j < length * kLanes; j += kLanes) {
      const Packet x = load(v + j);
      LORAPRO_UNROLL
      for (Index i = 0; i < kRows; ++i) sum[i] = fma(load(rows + i * stride + j), x, sum[i]);
    }
  }

  /// As tridiagonalize of one matrix; a reflector that is not needed has a beta of zero.
  void tridiagonalize() {
    const Index stride = size_ * kLanes;
    Wide* const p = products_;
    for (Index k = 0; k + 2 < size_; ++k) {
      Wide* const v = row(matrix_, k, k + 1);
      const Index length = size_ - k - 1;
      Packet tail = set(0);
      for (Index j = 1; j < length; ++j) {
        const Packet x = load(v + j * kLanes);
        tail = fma(x, x, tail);
      }
      const Packet head = load(v);
      const Packet norm = square_root(fma(head, head, tail));
      const Mask none = less(tail, set(kNegligible * kNegligible));
      const Packet end = select(less(head, set(0)), norm, Eigen::internal::pnegate(norm));
      store(off_diagonal_ + k * kLanes, select(none, head, end));
      const Packet first = Eigen::internal::psub(head, end);
      store(v, first);
      const Packet beta =
          select(none, set(0), Eigen::internal::pdiv(set(2), fma(first, first, tail)));
      store(betas_ + k * kLanes, beta);

      Packet along = set(0);
      for_row_blocks(0, length, [&](auto block, Index i) {
        constexpr Index kRows = decltype(block)::value;
        Packet sum[kRows];
        dots<kRows>(row(matrix_, k + 1 + i, k + 1), stride, v, length, sum);
        LORAPRO_UNROLL
        for (Index b = 0; b < kRows; ++b) {
          const Packet product = Eigen::internal::pmul(beta, sum[b]);
          store(p + (i + b) * kLanes, product);
          along = fma(product, load(v + (i + b) * kLanes), along);
        }
      });
      const Packet share = Eigen::internal::pmul(Eigen::internal::pmul(set(-0.5), beta), along);
      for (Index j = 0; j < length * kLanes; j += kLanes)
        store(p + j, fma(share, load(v + j), load(p + j)));
      for_row_blocks(0, length, [&](auto block, Index i) {
        constexpr Index kRows = decltype(block)::value;
        Wide* const rows = row(matrix_, k + 1 + i, k + 1);
        Packet minus_v[kRows], minus_p[kRows];
        LORAPRO_UNROLL
        for (Index b = 0; b < kRows; ++b) {
          minus_v[b] = Eigen::internal::pnegate(load(v + (i + b) * kLanes));
          minus_p[b] = Eigen::internal::pnegate(load(p + (i + b) * kLanes));
        }
        for (Index j = 0; j < length * kLanes; j += kLanes) {
          const Packet x = load(v + j), y = load(p + j);
          LORAPRO_UNROLL
          for (Index b = 0; b < kRows; ++b) {
            Wide* const at = rows + b * stride + j;
            store(at, fma(minus_p[b], x, fma(minus_v[b], y, load(at))));
          }
        }
      });
    }
    for (Index i = 0; i < size_; ++i) store(diagonal_ + i * kLanes, load(row(matrix_, i, i)));
    if (size_ > 1)
      store(off_diagonal_ + (size_ - 2) * kLanes, load(row(matrix_, size_ - 2, size_ - 1)));
    store(off_diagonal_ + (size_ - 1) * kLanes, set(0));
  }

  /// The product of the reflectors, by rows.
  void accumulate() {
    const Index stride = size_ * kLanes;
    std::fill(vectors_, vectors_ + size_ * stride, 0.0);
    for (Index i = 0; i < size_; ++i) store(row(vectors_, i, i), set(1));
    for (Index k = size_ - 3; k >= 0; --k) {
      const Wide* const v = row(matrix_, k, k + 1);
      const Index length = size_ - k - 1;
      const Packet minus_beta = Eigen::internal::pnegate(load(betas_ + k * kLanes));
      for_row_blocks(k + 1, size_, [&](auto block, Index i) {
        constexpr Index kRows = decltype(block)::value;
        Wide* const rows = row(vectors_, i, k + 1);
        Packet factor[kRows];
        dots<kRows>(rows, stride, v, length, factor);
        LORAPRO_UNROLL
        for (Index b = 0; b < kRows; ++b) factor[b] = Eigen::internal::pmul(minus_beta, factor[b]);
        for (Index j = 0; j < length * kLanes; j += kLanes) {
          const Packet x = load(v + j);
          LORAPRO_UNROLL
          for (Index b = 0; b < kRows; ++b) {
            Wide* const at = rows + b * stride + j;
            store(at, fma(factor[b], x, load(at)));
          }
        }
      });
    }
  }

  /// As tridiagonal_ql of one matrix, in step: every lane is at a block [l, m] of its own (kept as
  /// doubles), sweeps pass the same i at the same time, and a lane rotates by nothing outside its
  /// block.
  /// \param[out] settled  1 or 0 for each lane.
  void tridiagonal_ql(Wide* settled) {
    using Eigen::internal::padd;
    using Eigen::internal::pmul;
    using Eigen::internal::pnegate;
    using Eigen::internal::psub;
    const Packet zero = set(0), one = set(1), two = set(2), max_sweeps = set(60);
    const Packet end = set(static_cast<Wide>(size_ - 1));
    Packet good = one, sweeps = zero, noise = zero;
    for (Index i = 0; i < size_ * kLanes; i += kLanes)
      noise = Eigen::internal::pmax(noise, padd(Eigen::internal::pabs(load(diagonal_ + i)),
                                                Eigen::internal::pabs(load(off_diagonal_ + i))));
    noise = pmul(noise, set(std::numeric_limits<Wide>::epsilon()));
    const Packet local_sweeps = set(kLocalIterations), negligible = set(kNegligible);
    Block block{zero, zero, zero, zero, zero, zero};
    for (Index first = 0;;) {
      const Packet old = block.l;
      find_blocks(first, select(less(sweeps, local_sweeps), negligible, noise), block);
      sweeps = select(equal(old, block.l), padd(sweeps, one), one);
      const Mask stuck = both(less(max_sweeps, sweeps), less(block.l, end));
      good = select(stuck, zero, good);
      block.l = select(stuck, end, block.l);
      const Packet l = block.l;
      Packet m = select(less(l, end), block.m, set(-1));
      first = static_cast<Index>(Eigen::internal::predux_min(l));
      if (first == size_ - 1) break;

      // Wilkinson's shift with one quotient: e / (h + sign(h) sqrt(h^2 + 1)), h = gap / (2 e).
      // In a lane that is done it may be NaN, and is not used.
      const Packet twice = padd(block.off_diagonal, block.off_diagonal);
      const Packet gap = psub(block.diagonal_next, block.diagonal_l);
      const Packet root = square_root(fma(gap, gap, pmul(twice, twice)));
      const Packet divisor = padd(gap, select(less(gap, zero), pnegate(root), root));
      Packet g = padd(psub(block.diagonal_m, block.diagonal_l),
                      Eigen::internal::pdiv(pmul(block.off_diagonal, twice), divisor));
      Packet s = one, c = one, minus_s = set(-1), q = zero;
      for (Index i = static_cast<Index>(Eigen::internal::predux_max(m)) - 1; i >= first; --i) {
        Wide* const diagonal = diagonal_ + i * kLanes;
        Wide* const off_diagonal = off_diagonal_ + i * kLanes;
        const Packet place = set(static_cast<Wide>(i));
        const Mask inside = both(less(place, m), less_equal(l, place));
        const Packet d = load(diagonal), e = load(off_diagonal);
        const Packet f = pmul(s, e), b = pmul(c, e);
        const Packet r = square_root(fma(f, f, pmul(g, g)));
        const Packet inverse = Eigen::internal::pdiv(one, r);
        // A bulge that has vanished counts as zero: the block falls apart at i + 1.
        const Mask active = both(inside, less_equal(set(kNegligible), r));
        const Packet next = load(diagonal + kLanes), shifted = fma(minus_s, q, next);
        s = select(active, pmul(f, inverse), one);
        c = select(active, pmul(g, inverse), one);
        minus_s = pnegate(s);
        q = select(active, fma(psub(d, shifted), s, pmul(c, pmul(two, b))), zero);
        g = select(active, fma(c, q, pnegate(b)), g);
        store(diagonal + kLanes, select(inside, fma(s, q, shifted), next));
        // Entry m, which the first rotation of a lane would write, is to become zero.
        const Mask inner = both(active, less(set(static_cast<Wide>(i + 1)), m));
        store(off_diagonal + kLanes,
              select(inner, r, select(inside, zero, load(off_diagonal + kLanes))));
        const Mask ended = both(active, equal(l, place));
        store(diagonal, select(ended, fma(minus_s, q, d), d));
        store(off_diagonal, select(ended, g, e));
        m = select(active, m, select(inside, set(-1), m));
        rotate(c, select(active, s, zero), row(vectors_, i, 0), row(vectors_, i + 1, 0));
      }
    }
    store(settled, good);
  }

  /// The first block of each lane that is not diagonal yet, and what its shift is made of.
  struct Block {
    Packet l, m;
    Packet off_diagonal;  ///< of l
    Packet diagonal_l, diagonal_next, diagonal_m;
  };

  /// Moves each l over entries that are negligible, and m to the end of the block that begins
  /// there; l = size - 1 where there is none. \param first  the smallest l. \param floor  what
  /// counts as zero.
  void find_blocks(Index first, const Packet& floor, Block& block) const {
    using Eigen::internal::pabs;
    const Packet eps = set(std::numeric_limits<Wide>::epsilon());
    Packet l = block.l, m = l, diagonal = load(diagonal_ + first * kLanes);
    for (Index j = first; j + 1 < size_; ++j) {
      const Packet next = load(diagonal_ + (j + 1) * kLanes);
      const Packet off_diagonal = load(off_diagonal_ + j * kLanes);
      const Packet place = set(static_cast<Wide>(j)), place_next = set(static_cast<Wide>(j + 1));
      const Packet bound = fma(eps, Eigen::internal::padd(pabs(diagonal), pabs(next)), floor);
      const Mask coupled = less(bound, pabs(off_diagonal));
      const Mask apart = less_equal(pabs(off_diagonal), bound);
      const Mask at_m = equal(m, place), at_l = equal(l, place);
      const Mask begins = both(at_l, coupled), grows = both(at_m, coupled);
      block.off_diagonal = select(begins, off_diagonal, block.off_diagonal);
      block.diagonal_l = select(begins, diagonal, block.diagonal_l);
      block.diagonal_next = select(begins, next, block.diagonal_next);
      block.diagonal_m = select(grows, next, block.diagonal_m);
      m = select(grows, place_next, select(at_l, place_next, m));
      l = select(both(at_l, apart), place_next, l);
      diagonal = next;
    }
    block.l = l;
    block.m = m;
  }

  /// (x, y) <- (c x - s y, s x + c y) for two rows.
  LORAPRO_ALWAYS_INLINE void rotate(const Packet& c, const Packet& s, Wide* x, Wide* y) const {
    const Packet minus_s = Eigen::internal::pnegate(s);
    for (Index j = 0; j < size_ * kLanes; j += kLanes) {
      const Packet a = load(x + j), b = load(y + j);
      store(x + j, fma(minus_s, b, Eigen::internal::pmul(c, a)));
      store(y + j, fma(s, a, Eigen::internal::pmul(c, b)));
    }
  }

  Index size_;
  Wide *matrix_, *vectors_, *diagonal_, *off_diagonal_, *products_, *betas_;
};

LORAPRO_PACKET_ARGUMENTS_END

}  // namespace detail

LORAPRO_NAMESPACE_END
