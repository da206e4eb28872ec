// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/adjust_gradient.hpp>

#include <algorithm>  // std::count
#include <atomic>     // std::atomic
#include <cstdlib>    // std::malloc, std::free, std::aligned_alloc
#include <limits>     // std::numeric_limits
#include <new>        // std::bad_alloc, std::nothrow_t

#include "support/lora_problem.hpp"

// Every way to the heap that C++ code has is counted: the operators everywhere, and with glibc the
// functions below them, which Eigen calls itself. Sanitizers bring their own malloc.
namespace {
std::atomic<long> heap_calls{0};
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LORAPRO_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LORAPRO_TEST_SANITIZED
#endif

#if defined(__GLIBC__) && !defined(LORAPRO_TEST_SANITIZED)
extern "C" {
void* __libc_malloc(std::size_t size);                           // NOLINT
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT
void* __libc_realloc(void* pointer, std::size_t size);           // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT
void* malloc(std::size_t size) noexcept {
  ++heap_calls;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  ++heap_calls;
  return __libc_calloc(count, size);
}
void* realloc(void* pointer, std::size_t size) noexcept {
  ++heap_calls;
  return __libc_realloc(pointer, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  ++heap_calls;
  return __libc_memalign(alignment, size);
}
}
#else
void* operator new(std::size_t size) {
  ++heap_calls;
  if (void* const pointer = std::malloc(size == 0 ? 1 : size)) return pointer;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++heap_calls;
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++heap_calls;
  const auto a = static_cast<std::size_t>(alignment);
  if (void* const pointer = std::aligned_alloc(a, (size + a - 1) / a * a)) return pointer;
  throw std::bad_alloc();
}
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { std::free(pointer); }
#endif

namespace {

using lorapro::adjust_gradient;
using lorapro::AdjustOptions;
using lorapro::AdjustReport;
using lorapro::AdjustStatus;
using lorapro::bfloat16;
using lorapro::Gauge;
using lorapro::half;
using lorapro::Index;
using lorapro::make_view;
using lorapro::MatrixView;
using lorapro::RowMatrix;
using reference::Pair;
using reference::Real;
using reference::RealMatrix;
using support::Adjusted;
using support::adjusted;
using support::Inputs;
using support::kGauges;
using support::norm;
using support::Problem;
using support::tolerance;

template <typename Matrix>
bool same_bits(const Matrix& a, const Matrix& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(*a.data())) ==
             0;
}

template <typename To, typename From>
Inputs<To> converted(const Inputs<From>& in) {
  const auto convert = [](const RowMatrix<From>& a) {
    return reference::rounded<To>(reference::real(a));
  };
  return {convert(in.A), convert(in.B), convert(in.grad_A), convert(in.grad_B), in.scaling};
}

// ---------------------------------------------------------------- accuracy

TEST_CASE("factors of several panels", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 401);
  const Problem problem(random, 270, 300, 5, 0.7);
  const RealMatrix E = problem.tangent_projection();
  for (const Gauge gauge : kGauges) {
    const auto in_double = adjusted<double>(problem.inputs<double>(), 0, gauge);
    CHECK(support::distance(problem.equivalent_gradient(in_double.real()), E) <=
          tolerance<double>(1, std::sqrt(570.0), 25, norm(problem.G)));
    const Problem stored = problem.stored<float>();
    const auto in_float = adjusted<float>(problem.inputs<float>(), 0, gauge);
    CHECK(support::distance(stored.equivalent_gradient(in_float.real()), E) <=
          tolerance<float>(1, 4, 5, norm(problem.G)));
  }
}

/// ||E_float - E_double|| / (eps cond ||G||) with the same float inputs.
double float_error(const Problem& problem, double rho, Gauge gauge, double condition) {
  const Inputs<float> inputs = problem.inputs<float>();
  const Problem stored = problem.stored<float>();
  const auto narrow = adjusted<float>(inputs, rho, gauge);
  const auto wide = adjusted<double>(converted<double>(inputs), rho, gauge);
  REQUIRE(narrow.report.rank_B == wide.report.rank_B);
  return support::distance(stored.equivalent_gradient(narrow.real()),
                           stored.equivalent_gradient(wide.real())) /
         tolerance<float>(1, 1, condition, norm(problem.G));
}

TEST_CASE("float loses the condition of the factor, not its square", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 402);
  for (double condition = 1; condition <= 1.01e6; condition *= 10)
    for (const Gauge gauge : kGauges) {
      CAPTURE(condition, static_cast<int>(gauge));
      // Measured worst of sixty pairs: 0.67 where the products run in float, 0.05 where they run in
      // double and only the inputs and outputs are rounded, 0.22 damped.
      const double c = condition <= 10 ? 1 : 0.1;
      for (int repeat = 0; repeat < 3; ++repeat) {
        CHECK(float_error({random, 24, 20, 4, 2, 2, condition}, 0, gauge, condition) <= c);
        CHECK(float_error({random, 24, 20, 4, 2, condition, 2}, 0, gauge, condition) <= c);
        CHECK(float_error({random, 24, 20, 4, 2, condition, condition}, 0, gauge, condition) <= c);
        // Damping bounds what is inverted.
        CHECK(float_error({random, 24, 20, 4, 2, 2, condition}, 0.1, gauge, 2) <= 0.5);
      }
    }
}

TEST_CASE("float beyond the cutoff: the rank-truncated projection", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 403);
  for (const Real gone : {1e-9L, 1e-12L})
    for (const Gauge gauge : kGauges) {
      CAPTURE(static_cast<double>(gone), static_cast<int>(gauge));
      // Powers of two keep their singular values when rounded to float: columns scaled by hand.
      Problem problem(random, 12, 14, 3, 2, 3, 4);
      problem.B.col(2) *= gone;
      problem = problem.stored<float>();
      const auto d = adjusted<float>(problem.inputs<float>(), 0, gauge);
      CHECK(d.report.status == AdjustStatus::rank_deficient);
      CHECK(d.report.rank_B == 2);
      CHECK(d.report.rank_A == 3);
      CHECK(support::distance(problem.equivalent_gradient(d.real()),
                              problem.tangent_projection(1e-7L)) <=
            tolerance<float>(1, 4, 10, norm(problem.G)));
    }
}

// ---------------------------------------------------------------- storage

TEMPLATE_TEST_CASE("inputs in 16 bits give what their copies in double give", "[adjust_gradient]",
                   bfloat16, half) {
  LORAPRO_TEST_RANDOM(random, 411);
  for (const double rho : {0.0, 0.1})
    for (const Gauge gauge : kGauges) {
      CAPTURE(rho, static_cast<int>(gauge));
      const Inputs<TestType> inputs = Problem(random, 12, 9, 3).template inputs<TestType>();
      const auto copies = adjusted<double>(converted<double>(inputs), rho, gauge);
      const auto wide = adjusted<double>(inputs, rho, gauge);
      CHECK(same_bits(wide.A, copies.A));
      CHECK(same_bits(wide.B, copies.B));
      const auto narrow = adjusted<float>(inputs, rho, gauge);
      const double size = copies.A.norm() + copies.B.norm();
      CHECK(support::distance(narrow.A, copies.A) <= tolerance<float>(1, 4, 5, size));
      CHECK(support::distance(narrow.B, copies.B) <= tolerance<float>(1, 4, 5, size));
    }
}

TEST_CASE("[trap] no inverse is kept in the storage type", "[adjust_gradient][trap]") {
  // B and A are exact in bfloat16 and have condition 64; an inverse in bfloat16 would be off by
  // 2^-8 of its largest element, which the smallest direction sees 64 times enlarged.
  LORAPRO_TEST_RANDOM(random, 412);
  Problem problem(random, 12, 9, 2, 2);
  problem.B.setZero();
  problem.B(0, 0) = problem.B(0, 1) = 1;
  problem.B(1, 1) = 0x1.0p-5L;
  problem.A.setZero();
  problem.A(0, 0) = problem.A(1, 1) = 1;
  Inputs<bfloat16> inputs = problem.inputs<bfloat16>();
  const RealMatrix gA = reference::real(inputs.grad_A), gB = reference::real(inputs.grad_B);
  const auto d = adjusted<double>(inputs, 0, Gauge::zero);
  // (s^2 P) dA = gA to double precision.
  const RealMatrix P = reference::product(reference::transposed(problem.B), problem.B);
  CHECK(support::distance(4 * reference::product(P, reference::real(d.A)), gA) <=
        tolerance<double>(4, 2, 64 * 64, norm(gA)));
}

TEST_CASE("mixed element types", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 413);
  const Problem problem(random, 10, 8, 3);
  const auto A = reference::rounded<bfloat16>(problem.A);
  const auto B = reference::rounded<float>(problem.B);
  const auto gA = reference::rounded<half>(problem.grad_A());
  const auto gB = reference::rounded<double>(problem.grad_B());
  RowMatrix<double> dA(3, 8), dB(10, 3);
  REQUIRE(adjust_gradient(lorapro::lora_factors(A, B, 2.0), lorapro::factor_pair(gA, gB),
                          lorapro::factor_pair(dA, dB))
              .status == AdjustStatus::ok);
  const Inputs<double> copies{reference::rounded<double>(reference::real(A)),
                              reference::rounded<double>(reference::real(B)),
                              reference::rounded<double>(reference::real(gA)), gB, 2.0};
  const auto expected = adjusted<double>(copies);
  CHECK(same_bits(dA, expected.A));
  CHECK(same_bits(dB, expected.B));
}

/// A matrix somewhere in a larger buffer, with any strides.
template <typename T>
struct Strided {
  std::vector<T> memory;
  MatrixView<T> view;

  Strided(const RowMatrix<T>& a, Index row_stride, Index col_stride)
      : memory(static_cast<std::size_t>((a.rows() + 1) * std::abs(row_stride) +
                                        (a.cols() + 1) * std::abs(col_stride) + 1),
               T(13)) {
    const Index start = std::max<Index>(0, -row_stride * (a.rows() - 1)) +
                        std::max<Index>(0, -col_stride * (a.cols() - 1));
    view = {memory.data() + start, a.rows(), a.cols(), row_stride, col_stride};
    for (Index i = 0; i < a.rows(); ++i)
      for (Index j = 0; j < a.cols(); ++j) view(i, j) = a(i, j);
  }

  RowMatrix<T> matrix() const {
    RowMatrix<T> out(view.rows, view.cols);
    for (Index i = 0; i < out.rows(); ++i)
      for (Index j = 0; j < out.cols(); ++j) out(i, j) = view(i, j);
    return out;
  }
};

TEST_CASE("any storage order and stride gives the same gradients", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 414);
  const Inputs<float> in = Problem(random, 301, 300, 3).inputs<float>();
  const auto expected = adjusted<float>(in);
  // The order of summation follows the storage order, so the last bits may.
  const auto close = [&](const RowMatrix<float>& dA, const RowMatrix<float>& dB) {
    CHECK(support::distance(dA, expected.A) <= tolerance<float>(1, 4, 5, expected.A.norm()));
    CHECK(support::distance(dB, expected.B) <= tolerance<float>(1, 4, 5, expected.B.norm()));
  };

  Eigen::MatrixXf A = in.A, B = in.B, gA = in.grad_A, gB = in.grad_B, dA(3, 300), dB(301, 3);
  REQUIRE(adjust_gradient(lorapro::lora_factors(A, B, 2.0), lorapro::factor_pair(gA, gB),
                          lorapro::factor_pair(dA, dB))
              .status == AdjustStatus::ok);
  close(dA, dB);

  // Blocks and maps of the same order, on the other hand, give the same bits.
  RowMatrix<float> canvas = RowMatrix<float>::Constant(340, 700, 13);
  auto block_A = canvas.block(2, 5, 3, 300);
  auto block_B = canvas.block(10, 20, 301, 3);
  Eigen::Map<RowMatrix<float>> map_A(gA.data(), 3, 300);
  map_A = in.grad_A;
  REQUIRE(adjust_gradient(lorapro::lora_factors(in.A, in.B, 2.0), lorapro::factor_pair(map_A, gB),
                          lorapro::factor_pair(block_A, block_B))
              .status == AdjustStatus::ok);
  CHECK(same_bits<RowMatrix<float>>(block_A, expected.A));
  CHECK(same_bits<RowMatrix<float>>(block_B, expected.B));
  block_A.setConstant(13);
  block_B.setConstant(13);
  CHECK(canvas == canvas.Constant(340, 700, 13));  // nothing around the blocks was written

  for (const int reversed : {0, 1, 2}) {
    const Index r = reversed == 1 ? -1 : 1, c = reversed == 2 ? -1 : 1;
    Strided<float> sA(in.A, 900 * r, 3 * c), sB(in.B, 2 * r, 700 * c), sgA(in.grad_A, r, 5 * c),
        sgB(in.grad_B, 7 * r, 2 * c), sdA(RowMatrix<float>::Zero(3, 300), 901 * r, 3 * c),
        sdB(RowMatrix<float>::Zero(301, 3), r, 302 * c);
    const auto fillers = [](const Strided<float>& s) {
      return std::count(s.memory.begin(), s.memory.end(), 13.0F);
    };
    const auto around_A = fillers(sdA), around_B = fillers(sdB);
    REQUIRE(adjust_gradient(lorapro::lora_factors(sA.view, sB.view, 2.0),
                            lorapro::factor_pair(sgA.view, sgB.view),
                            lorapro::factor_pair(sdA.view, sdB.view))
                .status == AdjustStatus::ok);
    close(sdA.matrix(), sdB.matrix());
    CHECK(fillers(sdA) == around_A);  // and nothing in between
    CHECK(fillers(sdB) == around_B);
  }
}

TEST_CASE("adjusting in place", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 415);
  for (const Gauge gauge : kGauges) {
    Inputs<double> in = Problem(random, 300, 270, 3).inputs<double>();
    const auto expected = adjusted<double>(in, 0.1, gauge);
    AdjustOptions options;
    options.damping = 0.1;
    options.gauge = gauge;
    REQUIRE(adjust_gradient(lorapro::lora_factors(in.A, in.B, 2.0),
                            lorapro::factor_pair(in.grad_A, in.grad_B),
                            lorapro::factor_pair(in.grad_A, in.grad_B), options)
                .status == AdjustStatus::ok);
    CHECK(same_bits(in.grad_A, expected.A));
    CHECK(same_bits(in.grad_B, expected.B));
  }
}

TEST_CASE("rank 1 with a vector on each side", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 416);
  const Problem problem(random, 7, 5, 1);
  const Inputs<double> in = problem.inputs<double>();
  const Eigen::RowVectorXd A = in.A, gA = in.grad_A;
  const Eigen::VectorXd B = in.B, gB = in.grad_B;
  Eigen::RowVectorXd dA(5);
  Eigen::VectorXd dB(7);
  REQUIRE(adjust_gradient(lorapro::lora_factors(A, B, 2.0), lorapro::factor_pair(gA, gB),
                          lorapro::factor_pair(dA, dB))
              .status == AdjustStatus::ok);
  CHECK(support::distance(problem.equivalent_gradient({reference::real(dA), reference::real(dB)}),
                          problem.tangent_projection()) <=
        tolerance<double>(1, 12, 1, norm(problem.G)));
}

// ---------------------------------------------------------------- the report

TEST_CASE("the report tells ranks, cutoffs and damping", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 421);
  Problem problem(random, 8, 9, 3, 2);
  const double eps = std::numeric_limits<double>::epsilon();
  AdjustReport report = adjusted<double>(problem.inputs<double>(), 0.1).report;
  CHECK(report.status == AdjustStatus::ok);
  CHECK((report.rank_A == 3 && report.rank_B == 3));
  CHECK(report.cutoff_A == Approx(3 * eps));  // the largest singular values are 1
  CHECK(report.cutoff_B == Approx(3 * eps));
  CHECK(report.lambda.A == Approx(static_cast<double>(problem.lambda(0.1).A)));
  CHECK(report.lambda.B == Approx(static_cast<double>(problem.lambda(0.1).B)));
  report = adjusted<double>(problem.inputs<float>()).report;
  CHECK(report.cutoff_A == Approx(3 * 0x1.0p-46));
  CHECK((report.lambda.A == 0 && report.lambda.B == 0));

  problem.B.setZero();
  report = adjusted<double>(problem.inputs<double>()).report;
  CHECK(report.status == AdjustStatus::rank_deficient);
  CHECK((report.rank_A == 3 && report.rank_B == 0));
  CHECK(report.cutoff_B == 0);
  problem.A.row(2) = problem.A.row(0);
  report = adjusted<double>(problem.inputs<double>()).report;
  CHECK((report.rank_A == 2 && report.rank_B == 0));
}

// ---------------------------------------------------------------- wrong calls

/// Outputs with a pattern, to see that nothing was written.
template <typename Scalar>
struct Outputs {
  RowMatrix<Scalar> A, B;
  RowMatrix<Scalar> old_A, old_B;
  Outputs(Index out, Index in, Index rank)
      : A(RowMatrix<Scalar>::Constant(rank, in, Scalar(0.3))),
        B(RowMatrix<Scalar>::Constant(out, rank, Scalar(-0.7))),
        old_A(A),
        old_B(B) {}
  bool untouched() const { return same_bits(A, old_A) && same_bits(B, old_B); }
};

TEST_CASE("wrong shapes: precise messages, nothing written", "[adjust_gradient]") {
  const RowMatrix<double> A = RowMatrix<double>::Ones(2, 5), B = RowMatrix<double>::Ones(4, 2);
  Outputs<double> out(4, 5, 2);
  const auto refused = [&](const auto& a, const auto& b, const auto& gA, const auto& gB, auto& dA,
                           auto& dB, const std::string& message) {
    CHECK_THROWS_WITH(
        (void)adjust_gradient(lorapro::lora_factors(a, b, 2.0), lorapro::factor_pair(gA, gB),
                              lorapro::factor_pair(dA, dB)),
        message);
    CHECK_THROWS_AS(
        (void)adjust_gradient(lorapro::lora_factors(a, b, 2.0), lorapro::factor_pair(gA, gB),
                              lorapro::factor_pair(dA, dB)),
        lorapro::ShapeError);
    CHECK(out.untouched());
  };
  const RowMatrix<double> wrong = RowMatrix<double>::Ones(3, 3);
  const RowMatrix<double> rank_0(0, 5), no_rank_B(4, 0);
  RowMatrix<double> wrong_out = wrong;
  refused(rank_0, no_rank_B, rank_0, no_rank_B, out.A, out.B, "lora_A: expected rank >= 1, got 0");
  refused(A, wrong, A, B, out.A, out.B, "lora_B: expected (3, 2), got (3, 3)");
  refused(A, B, wrong, B, out.A, out.B, "grad_A: expected (2, 5), got (3, 3)");
  refused(A, B, A, wrong, out.A, out.B, "grad_B: expected (4, 2), got (3, 3)");
  refused(A, B, A, B, wrong_out, out.B, "adjusted_A: expected (2, 5), got (3, 3)");
  refused(A, B, A, B, out.A, wrong_out, "adjusted_B: expected (4, 2), got (3, 3)");
  CHECK(wrong_out == wrong);
  // A pair swapped: B A instead of A B.
  refused(B, A, A, B, out.A, out.B, "lora_B: expected (2, 4), got (2, 5)");

  MatrixView<double> null_A{nullptr, 2, 5, 5, 1}, null_B{nullptr, 4, 2, 2, 1};
  const auto null_message = [](const std::string& name) {
    return name + ": expected a buffer, got a null pointer";
  };
  refused(null_A, B, A, B, out.A, out.B, null_message("lora_A"));
  refused(A, null_B, A, B, out.A, out.B, null_message("lora_B"));
  refused(A, B, null_A, B, out.A, out.B, null_message("grad_A"));
  refused(A, B, A, null_B, out.A, out.B, null_message("grad_B"));
  refused(A, B, A, B, null_A, out.B, null_message("adjusted_A"));
  refused(A, B, A, B, out.A, null_B, null_message("adjusted_B"));
}

TEST_CASE("wrong options: precise messages, nothing written", "[adjust_gradient]") {
  const RowMatrix<double> A = RowMatrix<double>::Ones(2, 5), B = RowMatrix<double>::Ones(4, 2);
  Outputs<double> out(4, 5, 2);
  const auto refused = [&](double scaling, double damping, const std::string& message) {
    AdjustOptions options;
    options.damping = damping;
    CHECK_THROWS_WITH(
        (void)adjust_gradient(lorapro::lora_factors(A, B, scaling), lorapro::factor_pair(A, B),
                              lorapro::factor_pair(out.A, out.B), options),
        message);
    CHECK_THROWS_AS(
        (void)adjust_gradient(lorapro::lora_factors(A, B, scaling), lorapro::factor_pair(A, B),
                              lorapro::factor_pair(out.A, out.B), options),
        lorapro::ConfigError);
    CHECK(out.untouched());
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  refused(0, 0, "scaling: expected a finite number other than 0, got 0");
  refused(nan, 0, "scaling: expected a finite number other than 0, got nan");
  refused(-infinity, 0, "scaling: expected a finite number other than 0, got -inf");
  refused(1, -0.25, "damping: expected a finite number >= 0, got -0.25");
  refused(1, nan, "damping: expected a finite number >= 0, got nan");
  refused(1, infinity, "damping: expected a finite number >= 0, got inf");
}

TEST_CASE("overlapping memory is refused", "[adjust_gradient]") {
  // Square, so that everything has one shape and may lie anywhere.
  std::vector<double> memory(100, 0.5);
  const auto at = [&](Index start) {
    return MatrixView<double>{memory.data() + start, 3, 3, 3, 1};
  };
  const std::vector<double> before = memory;
  const auto refused = [&](Index A, Index B, Index gA, Index gB, Index dA, Index dB,
                           const std::string& name, const std::string& other) {
    CHECK_THROWS_WITH((void)adjust_gradient(lorapro::lora_factors(at(A), at(B), 1.0),
                                            lorapro::factor_pair(at(gA), at(gB)),
                                            lorapro::factor_pair(at(dA), at(dB))),
                      name + ": expected memory of its own, got memory shared with " + other);
    CHECK(memory == before);
  };
  refused(0, 10, 20, 30, 8, 50, "adjusted_A", "lora_A");
  refused(0, 10, 20, 30, 10, 50, "adjusted_A", "lora_B");
  refused(0, 10, 20, 30, 36, 50, "adjusted_A", "grad_B");
  refused(0, 10, 20, 30, 40, 44, "adjusted_A", "adjusted_B");
  refused(0, 10, 20, 30, 40, 2, "adjusted_B", "lora_A");
  refused(0, 10, 20, 30, 40, 17, "adjusted_B", "lora_B");
  refused(0, 10, 20, 30, 40, 20, "adjusted_B", "grad_A");
  refused(0, 10, 20, 30, 21, 50, "adjusted_A", "grad_A");  // shifted by one: not in place
  refused(0, 10, 20, 30, 40, 31, "adjusted_B", "grad_B");
  // The same start with the other strides is not in place either.
  const MatrixView<double> transposed{memory.data() + 20, 3, 3, 1, 3};
  CHECK_THROWS_AS((void)adjust_gradient(lorapro::lora_factors(at(0), at(10), 1.0),
                                        lorapro::factor_pair(at(20), at(30)),
                                        lorapro::factor_pair(transposed, at(50))),
                  lorapro::ShapeError);
  CHECK(memory == before);
  // Inputs may share memory, and touching is not overlapping.
  CHECK_NOTHROW((void)adjust_gradient(lorapro::lora_factors(at(0), at(0), 1.0),
                                      lorapro::factor_pair(at(0), at(0)),
                                      lorapro::factor_pair(at(9), at(18))));
}

TEST_CASE("NaN or infinity anywhere: reported, nothing written", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 431);
  const Inputs<float> good = Problem(random, 300, 9, 3).inputs<float>();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()})
    for (int place = 0; place < 4; ++place)
      for (const bool last : {false, true})
        for (const bool start : {false, true}) {
          CAPTURE(bad, place, last, start);
          Inputs<float> in = good;
          if (start) in.B.setZero();
          RowMatrix<float>* const matrices[] = {&in.A, &in.B, &in.grad_A, &in.grad_B};
          RowMatrix<float>& m = *matrices[place];
          m(last ? m.rows() - 1 : 0, last ? m.cols() - 1 : 0) = bad;
          Outputs<float> out(300, 9, 3);
          const AdjustReport report = adjust_gradient(lorapro::lora_factors(in.A, in.B, 2.0),
                                                      lorapro::factor_pair(in.grad_A, in.grad_B),
                                                      lorapro::factor_pair(out.A, out.B));
          CHECK(report.status == AdjustStatus::non_finite);
          CHECK(out.untouched());
          // In place, the bad gradient stays as it is.
          const Inputs<float> before = in;
          CHECK(adjust_gradient(lorapro::lora_factors(in.A, in.B, 2.0),
                                lorapro::factor_pair(in.grad_A, in.grad_B),
                                lorapro::factor_pair(in.grad_A, in.grad_B))
                    .status == AdjustStatus::non_finite);
          CHECK(same_bits(in.grad_A, before.grad_A));
          CHECK(same_bits(in.grad_B, before.grad_B));
        }
}

TEST_CASE("a result beyond the scalar: reported, nothing written", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 432);
  const Problem problem(random, 6, 7, 2);
  for (const Gauge gauge : kGauges) {
    AdjustOptions options;
    options.gauge = gauge;
    Outputs<float> out(6, 7, 2);
    const auto status = [&](Real scale_A, Real scale_B, Real scale_grad) {
      const Inputs<float> in{reference::rounded<float>(scale_A * problem.A),
                             reference::rounded<float>(scale_B * problem.B),
                             reference::rounded<float>(scale_grad * problem.grad_A()),
                             reference::rounded<float>(scale_grad * problem.grad_B()), 2.0};
      return adjust_gradient(lorapro::lora_factors(in.A, in.B, 2.0),
                             lorapro::factor_pair(in.grad_A, in.grad_B),
                             lorapro::factor_pair(out.A, out.B), options)
          .status;
    };
    CAPTURE(static_cast<int>(gauge));
    CHECK(status(1, 1e-16L, 1e16L) == AdjustStatus::overflow);  // dA of order 1e48
    CHECK(status(1e-16L, 1, 1e16L) == AdjustStatus::overflow);
    CHECK(status(1, 1e-30L, 1e-30L) == AdjustStatus::overflow);  // P^-1 of order 1e60
    // Every coefficient fits, of order 1e30 and 1e34; dA of order 1e40 does not.
    CHECK(status(1e6L, 1e-15L, 1e10L) == AdjustStatus::overflow);
    CHECK(status(1e-15L, 1e6L, 1e10L) == AdjustStatus::overflow);
    CHECK(out.untouched());
    CHECK(status(1, 1, 1e30L) == AdjustStatus::ok);
    CHECK_FALSE(out.untouched());
    CHECK(out.A.allFinite());
    CHECK(out.B.allFinite());
  }
}

// ---------------------------------------------------------------- the workspace

TEST_CASE("no heap with a workspace, and the same bits", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 441);
  const Inputs<float> in = Problem(random, 40, 300, 5).inputs<float>();
  for (const double rho : {0.0, 0.1}) {
    const auto expected = adjusted<float>(in, rho);
    AdjustOptions options;
    options.damping = rho;
    RowMatrix<float> dA(5, 300), dB(40, 5);
    lorapro::AdjustWorkspace<float> workspace(5);
    for (int repeat = 0; repeat < 3; ++repeat) {
      const long before = heap_calls;
      const AdjustReport report = adjust_gradient(
          lorapro::lora_factors(in.A, in.B, 2.0), lorapro::factor_pair(in.grad_A, in.grad_B),
          lorapro::factor_pair(dA, dB), options, &workspace);
      const long after = heap_calls;
      CHECK(report.status == AdjustStatus::ok);
      CHECK(after == before);
    }
    CHECK(same_bits(dA, expected.A));
    CHECK(same_bits(dB, expected.B));
  }
  // The counter counts. A call of the function, unlike a new-expression, is never left out.
  const long before = heap_calls;
  ::operator delete(::operator new(8));
  const long after = heap_calls;
  CHECK(after == before + 1);
}

TEST_CASE("a workspace of another rank is refused", "[adjust_gradient]") {
  const RowMatrix<double> A = RowMatrix<double>::Ones(2, 5), B = RowMatrix<double>::Ones(4, 2);
  Outputs<double> out(4, 5, 2);
  lorapro::AdjustWorkspace<double> workspace(3);
  CHECK_THROWS_WITH(
      (void)adjust_gradient(lorapro::lora_factors(A, B, 1.0), lorapro::factor_pair(A, B),
                            lorapro::factor_pair(out.A, out.B), {}, &workspace),
      "workspace: expected rank 2, got 3");
  CHECK(out.untouched());
}

TEST_CASE("a workspace carries nothing from call to call", "[adjust_gradient]") {
  LORAPRO_TEST_RANDOM(random, 442);
  const Inputs<double> first = Problem(random, 6, 7, 3).inputs<double>();
  const Inputs<double> second = Problem(random, 9, 5, 3).inputs<double>();
  const auto expected = adjusted<double>(second);
  lorapro::AdjustWorkspace<double> workspace(3);
  RowMatrix<double> dA(3, 7), dB(6, 3), eA(3, 5), eB(9, 3);
  (void)adjust_gradient(lorapro::lora_factors(first.A, first.B, 2.0),
                        lorapro::factor_pair(first.grad_A, first.grad_B),
                        lorapro::factor_pair(dA, dB), {}, &workspace);
  Inputs<double> bad = first;
  bad.A(1, 1) = std::numeric_limits<double>::quiet_NaN();
  (void)adjust_gradient(lorapro::lora_factors(bad.A, bad.B, 2.0),
                        lorapro::factor_pair(bad.grad_A, bad.grad_B), lorapro::factor_pair(dA, dB),
                        {}, &workspace);
  CHECK(adjust_gradient(lorapro::lora_factors(second.A, second.B, 2.0),
                        lorapro::factor_pair(second.grad_A, second.grad_B),
                        lorapro::factor_pair(eA, eB), {}, &workspace)
            .status == AdjustStatus::ok);
  CHECK(same_bits(eA, expected.A));
  CHECK(same_bits(eB, expected.B));
}

}  // namespace
