// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/principal_components.hpp>

#include <limits>  // std::numeric_limits

#include "support/golden_case.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::PrincipalComponents;
using support::golden_deviation;
using support::GoldenCase;
using PcaMatrix = lorapro::RowMatrix<double>;

void check_against(const PrincipalComponents& found, const GoldenCase& reference,
                   const std::string& batch) {
  CAPTURE(batch);
  CHECK(golden_deviation(found.components(), reference.matrix("components" + batch)) <= 1e-10);
  CHECK(golden_deviation(found.singular_values().transpose(),
                         reference.matrix("singular_values" + batch)) <= 1e-10);
  CHECK(golden_deviation(found.explained_variance_ratio().transpose(),
                         reference.matrix("explained_variance_ratio" + batch)) <= 1e-10);
}

TEST_CASE("components of batches are those of the reference cases", "[principal_components]") {
  for (const std::string& path : support::golden_cases("eva_truncated")) {
    CAPTURE(path);
    const GoldenCase reference(path);
    PrincipalComponents found(static_cast<Index>(reference.number("n")),
                              static_cast<Index>(reference.number("components")));
    for (const char* const batch : {"_0", "_1", "_2"}) {
      found.add(reference.matrix(std::string("x") + batch));
      check_against(found, reference, batch);
    }
    CHECK(golden_deviation(found.mean(), reference.matrix("mean")) <= 1e-10);
    CHECK(found.rows() == 51);
  }
}

TEST_CASE("while nothing is cut batches do not matter", "[principal_components]") {
  for (const std::string& path : support::golden_cases("eva_exact")) {
    CAPTURE(path);
    const GoldenCase reference(path);
    const PcaMatrix x = reference.matrix("x_0");
    for (const bool centred : {true, false}) {
      PrincipalComponents whole(x.cols(), x.cols(), centred), parts = whole;
      whole.add(x);
      for (Index row = 0; row < x.rows(); row += 17) parts.add(x.middleRows(row, 17));
      CHECK(golden_deviation(parts.components(), whole.components()) <= 1e-12);
      CHECK(golden_deviation(parts.singular_values(), whole.singular_values()) <= 1e-13);
      CHECK(golden_deviation(parts.explained_variance_ratio(), whole.explained_variance_ratio()) <=
            1e-13);
      CHECK(whole.explained_variance_ratio().sum() == Approx(1).epsilon(1e-13));
      const char* const values = centred ? "singular_values" : "singular_values_uncentred";
      const PcaMatrix expected = reference.matrix(values);
      CHECK(golden_deviation(whole.singular_values().head(expected.cols()).transpose(), expected) <=
            1e-10);
    }
  }
}

TEST_CASE("as many components as rows allow are kept", "[principal_components]") {
  LORAPRO_TEST_RANDOM(random, 3021);
  PrincipalComponents found(6, 4);
  CHECK(found.components().rows() == 0);
  found.add(PcaMatrix(reference::rounded<double>(random.matrix(2, 6))));
  CHECK(found.components().rows() == 2);
  // Two rows about their mean have one direction.
  CHECK(found.singular_values()(1) <= 1e-14 * found.singular_values()(0));
  found.add(PcaMatrix(reference::rounded<double>(random.matrix(1, 6))));
  CHECK(found.components().rows() == 3);
  found.add(PcaMatrix(reference::rounded<double>(random.matrix(9, 6))));
  CHECK(found.components().rows() == 4);
  PrincipalComponents still(3, 2);
  still.add(PcaMatrix::Ones(4, 3));
  CHECK(still.explained_variance_ratio().isZero(0));
}

TEST_CASE("rows that do not fit change nothing", "[principal_components]") {
  CHECK_THROWS_WITH(PrincipalComponents(3, 0), "most: expected a number >= 1, got 0");
  PrincipalComponents found(3, 2);
  found.add(PcaMatrix::Identity(3, 3));
  const Eigen::MatrixXd before = found.components();
  CHECK_THROWS_WITH(found.add(PcaMatrix::Identity(2, 4)), "x: expected (2, 3), got (2, 4)");
  CHECK_THROWS_WITH(found.add(PcaMatrix(0, 3)), "x: expected at least one row, got none");
  PcaMatrix bad = PcaMatrix::Identity(2, 3);
  bad(1, 1) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(found.add(bad), "x: expected finite numbers, got one that is not");
  CHECK(found.components() == before);
  CHECK(found.rows() == 3);
}

}  // namespace
