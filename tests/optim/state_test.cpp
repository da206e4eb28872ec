// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/state.hpp>

#include <numeric>  // std::iota
#include <vector>   // std::vector

#include "support/catch.hpp"

namespace {

TEST_CASE("a StateTensor copies out and in", "[state]") {
  std::vector<float> data{1, 2, 3, 4, 5, 6};
  const lorapro::StateTensor tensor(data.data(), 2, 3);
  CHECK(tensor.rows() == 2);
  CHECK(tensor.cols() == 3);
  CHECK(tensor.size() == 6);
  CHECK(tensor.type() == lorapro::StorageType::f32);
  std::vector<float> out(6);
  tensor.read(out.data());
  CHECK(out == data);
  const std::vector<float> in{6, 5, 4, 3, 2, 1};
  tensor.write(in.data());
  CHECK(data == in);
}

TEST_CASE("a StateTensor rounds to what it is read into and holds", "[state]") {
  std::vector<lorapro::bfloat16> data(2);
  const lorapro::StateTensor tensor(data.data(), 1, 2);
  CHECK(tensor.type() == lorapro::StorageType::bf16);
  const std::vector<double> in{1.001, -3};
  tensor.write(in.data());
  CHECK(data[0] == lorapro::bfloat16(1.0F));
  std::vector<float> out(2);
  tensor.read(out.data());
  CHECK(out == std::vector<float>{1, -3});
}

TEST_CASE("moments in tiles are row-major to a visitor", "[state]") {
  using Moments = lorapro::MomentTiles<float, float>;
  for (const lorapro::Index rows : {1, 7, 17})
    for (const lorapro::Index cols : {1, 48, 65}) {
      CAPTURE(rows, cols);
      Moments moments(rows, cols);
      const lorapro::StateTensor avg(moments, Moments::kExpAvg);
      const lorapro::StateTensor sq(moments, Moments::kExpAvgSq);
      CHECK(avg.rows() == rows);
      CHECK(avg.cols() == cols);
      std::vector<float> first(static_cast<std::size_t>(avg.size())), second(first.size());
      std::iota(first.begin(), first.end(), 1.0F);
      std::iota(second.begin(), second.end(), 100000.0F);
      avg.write(first.data());
      sq.write(second.data());
      for (lorapro::Index i = 0; i < rows; ++i)
        for (lorapro::Index j = 0; j < cols; ++j)
          if (moments.at(Moments::kExpAvg, i, j) != 1.0F + static_cast<float>(i * cols + j))
            FAIL_CHECK(i);
      std::vector<float> out(first.size());
      avg.read(out.data());
      CHECK(out == first);
      // In pieces, from anywhere in a row.
      const lorapro::Index middle = avg.size() / 3;
      std::fill(out.begin(), out.end(), 0.0F);
      avg.read(0, middle, out.data());
      avg.read(middle, avg.size() - middle, out.data() + middle);
      CHECK(out == first);
      const float changed = -1;
      avg.write(middle, 1, &changed);
      avg.read(out.data());
      CHECK(out[static_cast<std::size_t>(middle)] == -1);
      out[static_cast<std::size_t>(middle)] = first[static_cast<std::size_t>(middle)];
      CHECK(out == first);
      sq.read(out.data());
      CHECK(out == second);
    }
}

TEST_CASE("memory of any stride is row-major to a visitor", "[state]") {
  std::vector<double> data(24, 0.0);
  // Column-major, every other row.
  const lorapro::StateTensor tensor(lorapro::MatrixView<double>{data.data(), 3, 4, 2, 6});
  CHECK(tensor.rows() == 3);
  CHECK(tensor.cols() == 4);
  CHECK(tensor.type() == lorapro::StorageType::f64);
  std::vector<double> in(12), out(12);
  std::iota(in.begin(), in.end(), 1.0);
  tensor.write(0, 5, in.data());
  tensor.write(5, 7, in.data() + 5);
  CHECK(data[2 * 2 + 3 * 6] == 12);
  CHECK(data[2 * 1 + 0 * 6] == 5);
  CHECK(data[1] == 0);
  tensor.read(0, 12, out.data());
  CHECK(out == in);
  tensor.read(7, 2, out.data());
  CHECK(out[1] == 9);
}

TEST_CASE("state of a factor has its layout", "[state]") {
  auto state = lorapro::FactorState<double>::of({4, 3, 2});
  const lorapro::FactorView A = state.A.view(), B = state.B.view();
  CHECK(A.rank == 2);
  CHECK(A.length == 3);
  CHECK(A.rank_stride == 3);  // (rank, in_features), row-major
  CHECK(A.length_stride == 1);
  CHECK(B.rank == 2);
  CHECK(B.length == 4);
  CHECK(B.rank_stride == 1);  // (out_features, rank), row-major
  CHECK(B.length_stride == 2);
  CHECK(B.type == lorapro::StorageType::f64);
  CHECK(state.A.tensor().rows() == 2);
  CHECK(state.A.tensor().cols() == 3);
  CHECK(state.B.tensor().rows() == 4);
  CHECK(state.B.tensor().cols() == 2);
}

}  // namespace
