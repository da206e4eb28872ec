// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/full_moments_kernel.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::FullMomentsBuffers;
using lorapro::FullMomentsConstants;
using lorapro::Index;
using lorapro::MomentTiles;
using lorapro::TileShape;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::norm;

constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEps = 1e-3;

/// Two factors and their steps, and the pass over them.
template <typename Scalar, typename Storage>
struct Pass {
  using Tile = TileShape<Scalar>;
  using Moments = MomentTiles<Scalar, Storage>;

  RealMatrix A, B, dA, dB;
  Moments moments;
  std::vector<Scalar> memory;
  RealMatrix back_A, back_B;  ///< B^T H and H A^T of the last run

  Pass(support::Random& random, Index out, Index in, Index rank)
      : A(reference::real(reference::rounded<Scalar>(random.matrix(rank, in)))),
        B(reference::real(reference::rounded<Scalar>(random.matrix(out, rank)))),
        moments(out, in),
        memory(static_cast<std::size_t>(FullMomentsBuffers<Scalar>::size({out, in, rank}))) {}

  Index rank() const { return A.rows(); }

  void new_steps(support::Random& random) {
    dA = reference::real(reference::rounded<Scalar>(random.matrix(rank(), A.cols())));
    dB = reference::real(reference::rounded<Scalar>(random.matrix(B.rows(), rank())));
  }

  /// Packs as the documentation of the buffers says, runs all blocks, unpacks.
  void run(std::int64_t step, std::uint64_t key) {
    const Index r = rank(), m = B.rows(), n = A.cols();
    const FullMomentsConstants<Scalar> constants(kBeta1, kBeta2, kEps, step);
    // Garbage, to see that outputs are overwritten and edges are the packer's to pad.
    std::fill(memory.begin(), memory.end(), Scalar(77));
    const FullMomentsBuffers<Scalar> buffers(memory.data(), {m, n, r});
    const auto scale = static_cast<Real>(constants.gradient_scale);
    const auto pack = [&](Scalar* target, Index length, Index tile_length, auto element) {
      const Index tiles = (length + tile_length - 1) / tile_length;
      for (Index t = 0; t < tiles; ++t)
        for (Index k = 0; k < 2 * r; ++k)
          for (Index i = 0; i < tile_length; ++i) {
            const Index position = t * tile_length + i;
            target[(t * 2 * r + k) * tile_length + i] =
                position < length ? static_cast<Scalar>(element(k, position)) : Scalar(0);
          }
    };
    pack(buffers.rows, m, Tile::kRows,
         [&](Index k, Index i) { return k < r ? B(i, k) : scale * dB(i, k - r); });
    pack(buffers.cols, n, Tile::kCols,
         [&](Index k, Index j) { return k < r ? scale * dA(k, j) : A(k - r, j); });
    std::vector<Scalar> scratch(
        static_cast<std::size_t>(lorapro::full_moments_scratch_size<Scalar>(r)), Scalar(77));
    const lorapro::FullMomentsBlocks<Scalar> blocks(n);
    Index waited = 0, done = 0;
    lorapro::FullMomentsPass<Scalar, Storage> pass(constants, buffers, moments, key);
    for (Index block = 0; block < blocks.count(); ++block)
      pass.run(
          blocks.first_tile(block), blocks.first_tile(block + 1), scratch.data(),
          [&](Index group) { waited += group == done % Tile::groups(m); },
          [&](Index group) { done += group == done % Tile::groups(m); });
    // Each group of rows once a block, in order, one wait for each.
    CHECK(waited == blocks.count() * Tile::groups(m));
    CHECK(done == waited);
    const auto unpack = [&](const Scalar* source, Index length, Index tile_length) {
      RealMatrix out(r, length);
      for (Index i = 0; i < length; ++i)
        for (Index k = 0; k < r; ++k)
          out(k, i) = source[(i / tile_length * r + k) * tile_length + i % tile_length];
      return RealMatrix(static_cast<Real>(constants.direction_scale) * out);
    };
    back_A = unpack(buffers.back_A, n, Tile::kCols);
    back_B = transposed(unpack(buffers.back_B, m, Tile::kRows));
  }

  RealMatrix moment(typename Moments::Moment which) {
    RealMatrix out(B.rows(), A.cols());
    for (Index i = 0; i < out.rows(); ++i)
      for (Index j = 0; j < out.cols(); ++j)
        out(i, j) = static_cast<Real>(static_cast<double>(moments.at(which, i, j)));
    return out;
  }
};

/// The same with dense m x n matrices.
struct Dense {
  RealMatrix m, v, H;
  void step(const RealMatrix& E, int t) {
    if (m.size() == 0) m = v = RealMatrix::Zero(E.rows(), E.cols());
    H = E;
    for (Index k = 0; k < E.size(); ++k) {
      const Real e = E.data()[k];
      m.data()[k] = Real(kBeta1) * m.data()[k] + (1 - Real(kBeta1)) * e;
      v.data()[k] = Real(kBeta2) * v.data()[k] + (1 - Real(kBeta2)) * e * e;
      H.data()[k] = m.data()[k] / (1 - std::pow(Real(kBeta1), t)) /
                    (std::sqrt(v.data()[k] / (1 - std::pow(Real(kBeta2), t))) + Real(kEps));
    }
  }
};

TEMPLATE_TEST_CASE("the pass over the moments against dense matrices", "[full_moments_kernel]",
                   float, double) {
  LORAPRO_TEST_RANDOM(random, 801);
  struct Shape {
    Index out, in, rank;
  };
  for (const Shape& shape :
       {Shape{1, 1, 1}, Shape{6, 8, 1}, Shape{7, 17, 3}, Shape{13, 24, 4}, Shape{25, 100, 2},
        Shape{9, 300, 5}, Shape{3, 5, 8}, Shape{70, 500, 23}}) {
    CAPTURE(shape.out, shape.in, shape.rank);
    Pass<TestType, TestType> pass(random, shape.out, shape.in, shape.rank);
    Dense dense;
    for (int t = 1; t <= 4; ++t) {
      pass.new_steps(random);
      pass.run(t, 0);
      dense.step(product(pass.B, pass.dA) + product(pass.dB, pass.A), t);
      const double rank = static_cast<double>(shape.rank);
      using Moments = MomentTiles<TestType, TestType>;
      CHECK(support::distance(pass.moment(Moments::kExpAvg), dense.m) <=
            support::tolerance<TestType>(1, 2 * rank + 2, 1, norm(dense.m)));
      CHECK(support::distance(pass.moment(Moments::kExpAvgSq), dense.v) <=
            support::tolerance<TestType>(1, 2 * rank + 4, 1, norm(dense.v)));
      // H is of order 1 and |m| / sqrt(v) amplifies where E happens to be small: eps bounds it.
      const double size_H = std::sqrt(static_cast<double>(dense.H.size()));
      CHECK(support::distance(pass.back_A, product(transposed(pass.B), dense.H)) <=
            support::tolerance<TestType>(4, 2 * rank + 4, 1, norm(pass.B) * size_H));
      CHECK(support::distance(pass.back_B, product(dense.H, transposed(pass.A))) <=
            support::tolerance<TestType>(4, 2 * rank + 4, 1, norm(pass.A) * size_H));
    }
  }
}

TEST_CASE("padding of the moments stays zero", "[full_moments_kernel]") {
  LORAPRO_TEST_RANDOM(random, 802);
  using Tile = TileShape<float>;
  Pass<float, float> pass(random, Tile::kRows + 1, Tile::kCols + 1, 2);
  for (int t = 1; t <= 2; ++t) {
    pass.new_steps(random);
    pass.run(t, 0);
  }
  const float* const last = pass.moments.tile(1, 1);
  for (Index k = 0; k < 2 * Tile::kSize; ++k) CHECK((last[k] == 0) == (k % Tile::kSize != 0));
}

TEST_CASE("moments in bfloat16: nearest for exp_avg, stochastic for exp_avg_sq",
          "[full_moments_kernel]") {
  LORAPRO_TEST_RANDOM(random, 803);
  constexpr Index kOut = 19, kIn = 70, kRank = 2;
  constexpr std::uint64_t kKey = 99;
  Pass<float, float> exact(random, kOut, kIn, kRank);
  exact.new_steps(random);
  Pass<float, bfloat16> stored(random, kOut, kIn, kRank);
  stored.A = exact.A;
  stored.B = exact.B;
  stored.dA = exact.dA;
  stored.dB = exact.dB;
  exact.run(1, kKey);
  stored.run(1, kKey);
  using Exact = MomentTiles<float, float>;
  using Stored = MomentTiles<float, bfloat16>;
  int wrong = 0;
  for (Index i = 0; i < kOut; ++i)
    for (Index j = 0; j < kIn; ++j) {
      const float m = exact.moments.at(Exact::kExpAvg, i, j);
      const float v = exact.moments.at(Exact::kExpAvgSq, i, j);
      const std::uint32_t bits = lorapro::rounding_bits(kKey, i, static_cast<std::uint32_t>(j));
      wrong += !(stored.moments.at(Stored::kExpAvg, i, j) == bfloat16(m));
      wrong += !(stored.moments.at(Stored::kExpAvgSq, i, j) == lorapro::round_stochastic(v, bits));
    }
  CHECK(wrong == 0);
  // The direction of a step comes from the moments before they are rounded.
  CHECK(support::distance(stored.back_A, exact.back_A) == 0);
  CHECK(support::distance(stored.back_B, exact.back_B) == 0);
}

TEST_CASE("constants of the pass, folded", "[full_moments_kernel]") {
  const FullMomentsConstants<double> c(0.9, 0.99, 1e-8, 3);
  CHECK(c.gradient_scale == Approx(0.1));
  CHECK(c.square == Approx(1.0));  // (1 - 0.99) / 0.1^2
  CHECK(c.eps == Approx(1e-8 * std::sqrt(1 - std::pow(0.99, 3))));
  CHECK(c.direction_scale == Approx(std::sqrt(1 - std::pow(0.99, 3)) / (1 - std::pow(0.9, 3))));
}

TEST_CASE("blocks of columns cover W evenly", "[full_moments_kernel]") {
  using Blocks = lorapro::FullMomentsBlocks<float>;
  for (Index in = 1; in < 40000; in += in / 3 + 1) {
    CAPTURE(in);
    const Blocks blocks(in);
    const Index tiles = TileShape<float>::col_tiles(in);
    CHECK(blocks.first_tile(0) == 0);
    CHECK(blocks.first_tile(blocks.count()) == tiles);
    Index smallest = tiles, largest = 0;
    for (Index block = 0; block < blocks.count(); ++block) {
      const Index width = blocks.first_tile(block + 1) - blocks.first_tile(block);
      smallest = std::min(smallest, width);
      largest = std::max(largest, width);
    }
    CHECK(smallest >= std::min<Index>(2, tiles));
    CHECK(largest <= std::min(smallest + 1, Blocks::kMostTiles));
    if (tiles >= 16) CHECK(blocks.count() % 8 == 0);
  }
}

}  // namespace
