// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/buffer.hpp>
#include <lorapro/core/side.hpp>
#include <lorapro/linalg/gram.hpp>

#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;
using Wide = lorapro::RowMatrix<double>;

using lorapro::Side;

lorapro::FactorView view(const bench::PairData& pair, Side side, bool gradient) {
  return side == Side::A
             ? lorapro::factor_of_A(lorapro::make_view(gradient ? pair.grad_A : pair.lora_A))
             : lorapro::factor_of_B(lorapro::make_view(gradient ? pair.grad_B : pair.lora_B));
}

std::function<void()> products(const bench::Shape& shape, Side side) {
  struct Fixture {
    explicit Fixture(const bench::Shape& s)
        : pair(s),
          gram(s.rank * s.rank),
          cross(s.rank * s.rank),
          scratch(lorapro::factor_products_scratch(s.rank)) {}
    bench::PairData pair;
    lorapro::Buffer<lorapro::Wide> gram, cross, scratch;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  return [fixture, side] {
    Fixture& f = *fixture;
    auto norm = lorapro::factor_products(
        view(f.pair, side, false), view(f.pair, side, true),
        {{f.gram.data(), f.pair.lora_A.rows()}, {f.cross.data(), f.pair.lora_A.rows()}, {}},
        lorapro::Workspace(f.scratch));
    benchmark::DoNotOptimize(norm);
  };
}

std::function<void()> naive_products(const bench::Shape& shape, Side side) {
  auto pair = std::make_shared<bench::PairData>(shape);
  return [pair, side] {
    const Wide f = side == Side::A ? Wide(pair->lora_A.cast<double>())
                                   : Wide(pair->lora_B.transpose().cast<double>());
    const Wide g = side == Side::A ? Wide(pair->grad_A.cast<double>())
                                   : Wide(pair->grad_B.transpose().cast<double>());
    Wide gram = f * f.transpose(), cross = g * f.transpose();
    auto norm = g.squaredNorm();
    benchmark::DoNotOptimize(gram.data());
    benchmark::DoNotOptimize(cross.data());
    benchmark::DoNotOptimize(norm);
  };
}

const bool registered = bench::add_all([] {
  for (const bench::Shape& shape : bench::kernel_shapes()) {
    const auto r = static_cast<double>(shape.rank), length = static_cast<double>(shape.in);
    bench::Work work;
    work.flops = 4 * r * r * length;
    work.bytes = 8 * r * length;
    work.least_f64 = 3 * r * r * length;  // a Gram matrix is symmetric
    const std::string rest = "/f32/" + std::to_string(shape.in) + "/r" + std::to_string(shape.rank);
    bench::add("gram/A" + rest, work, [=] { return products(shape, Side::A); });
    bench::add("gram/naive_A" + rest, work, [=] { return naive_products(shape, Side::A); });
    bench::add("gram/B" + rest, work, [=] { return products(shape, Side::B); });
    bench::add("gram/naive_B" + rest, work, [=] { return naive_products(shape, Side::B); });
  }
});

}  // namespace
