// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A tangent vector as two factors see it, for tests of images and momenta.

#include <lorapro/adjust/tangent_momentum.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"
#include "support/squares.hpp"

namespace support {

using lorapro::FrameProducts;
using lorapro::Index;
using lorapro::Side;
using reference::product;
using reference::RealMatrix;
using reference::transposed;

inline lorapro::FactorView rank_first(const lorapro::RowMatrix<double>& a) {
  return lorapro::factor_of_A(lorapro::make_view(a));
}

/// What coefficients make of an array and a factor.
inline RealMatrix combined(const lorapro::SideCoefficients& c,
                           const lorapro::RowMatrix<double>& array,
                           const lorapro::RowMatrix<double>& factor) {
  return product(real(c.on_grad), reference::real(array)) +
         product(real(c.on_factor), reference::real(factor));
}

/// One side's array, its factor, and their products with a frame.
struct Seen {
  lorapro::RowMatrix<double> array, factor;
  lorapro::RowMatrix<double> of_array, of_factor;

  FrameProducts products(const lorapro::RowMatrix<double>& frame) {
    const Index r = factor.rows();
    std::vector<double> scratch(static_cast<std::size_t>(lorapro::frame_products_scratch(r)));
    of_array.resize(r, r);
    of_factor.resize(r, r);
    const FrameProducts out{square(of_array), square(of_factor)};
    lorapro::frame_products(rank_first(array), rank_first(factor), rank_first(frame), out,
                            workspace(scratch));
    return out;
  }
};

/// A momentum M seen by (B, A), with the r x r algebra to project it.
struct ProjectedMomentum {
  Seen a, b;  // exp_avg_A with A, exp_avg_B^T with B^T
  lorapro::SpectralPair spectra;
  lorapro::TangentMomentum momentum;
  lorapro::TangentImage image;
  std::vector<double> scratch;

  ProjectedMomentum(const RealMatrix& A, const RealMatrix& B, const RealMatrix& M)
      : a{reference::rounded<double>(product(transposed(B), M)),
          reference::rounded<double>(A),
          {},
          {}},
        b{reference::rounded<double>(product(A, transposed(M))),
          reference::rounded<double>(transposed(B)),
          {},
          {}},
        spectra(A.rows()),
        momentum(A.rows()),
        image(A.rows()),
        scratch(static_cast<std::size_t>(std::max(8 * A.rows() * A.rows() + 8 * A.rows(),
                                                  lorapro::SpectralPair::scratch_size(A.rows())))) {
    const lorapro::RowMatrix<double> Q = a.factor * a.factor.transpose(),
                                     P = b.factor * b.factor.transpose();
    REQUIRE(spectra.compute(square(Q), square(P), 0x1.0p-52, workspace(scratch)));
    project();
  }

  void project() {
    copy(momentum.cross(Side::A), a.products(a.factor).array);
    copy(momentum.cross(Side::B), b.products(b.factor).array);
    momentum.project_to_tangent(spectra, workspace(scratch));
  }

  /// B x + y^T A.
  RealMatrix dense() const {
    const auto& c = momentum.coefficients();
    const RealMatrix A = reference::real(a.factor), Bt = reference::real(b.factor);
    const RealMatrix x = combined(c[Side::A], a.array, a.factor);
    const RealMatrix y = combined(c[Side::B], b.array, b.factor);
    return product(transposed(Bt), x) + product(transposed(y), A);
  }

  /// What frames see: Z_B T and Z_A T^T.
  reference::Pair seen(const RealMatrix& frame_A, const RealMatrix& frame_B) {
    const FrameProducts with_A = a.products(reference::rounded<double>(frame_A));
    const FrameProducts with_B = b.products(reference::rounded<double>(frame_B));
    image.compute(momentum.coefficients(), {with_A, with_B}, 1.0, workspace(scratch));
    return {combined(image[Side::A], a.array, a.factor),
            combined(image[Side::B], b.array, b.factor)};
  }
};

}  // namespace support
