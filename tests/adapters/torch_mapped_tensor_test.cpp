// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::detail::can_map;
using lorapro::torch_adapter::detail::columns_in_memory;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::MappedTensor;
using lorapro::torch_adapter::detail::matrix_view;
using support::leaf;
using torch::Tensor;

TEST_CASE("what is mapped, by type and layout", "[torch_mapped_tensor]") {
  const auto maps_float = [](const Tensor& A, const Tensor& B = {}) {
    return can_map<float>(Item{A, B, 1.0, {}});
  };
  const auto plain = [](torch::ScalarType type) { return torch::zeros({4, 6}, type); };
  CHECK(maps_float(plain(torch::kFloat)));
  CHECK(maps_float(plain(torch::kBFloat16)));
  CHECK(maps_float(plain(torch::kHalf)));
  CHECK(!maps_float(plain(torch::kDouble)));
  CHECK(can_map<double>(Item{plain(torch::kDouble), {}, 1.0, {}}));
  CHECK(!can_map<double>(Item{plain(torch::kBFloat16), {}, 1.0, {}}));
  CHECK(maps_float(plain(torch::kFloat).t()));
  CHECK(!maps_float(plain(torch::kFloat).slice(1, 0, 3)));  // gaps
  CHECK(!maps_float(torch::zeros({4, 1}).expand({4, 6})));
  CHECK(!maps_float(plain(torch::kFloat), torch::zeros({4, 1}).expand({4, 6})));
}

TEST_CASE("a view has the strides of its tensor", "[torch_mapped_tensor]") {
  const Tensor tensor = torch::arange(12, torch::kFloat).view({3, 4}).t();
  const auto view = matrix_view<float>(tensor);
  CHECK(view.rows == 4);
  CHECK(view.cols == 3);
  CHECK(view(1, 2) == tensor[1][2].item<float>());
}

TEST_CASE("a matrix has the columns that lie in its memory", "[torch_mapped_tensor]") {
  CHECK(columns_in_memory(torch::zeros({4, 6})) == 6);
  CHECK(columns_in_memory(torch::zeros({4, 6}).t()) == 6);
  CHECK(columns_in_memory(torch::zeros({6})) == 0);
  CHECK(columns_in_memory(torch::zeros({2, 3, 4})) == 0);
}

TEST_CASE("a parameter and its gradient are followed", "[torch_mapped_tensor]") {
  Tensor parameter = leaf({3, 4}, torch::kFloat);
  parameter.mutable_grad() = torch::ones({3, 4});
  MappedTensor mapped(parameter, /*is_factor=*/true);
  CHECK(mapped.locate());
  CHECK(!mapped.locate());
  CHECK(mapped.grad().is_same(parameter.grad()));
  mapped.remember();
  CHECK(!mapped.changed());
  {
    const torch::NoGradGuard no_grad;
    parameter.add_(1);
  }
  CHECK(mapped.changed());
  mapped.written();
  CHECK(!mapped.changed());
  // Memory elsewhere, and other strides: a factor's gradient is read as it lies.
  const Tensor turned = torch::ones({4, 3}).t();
  parameter.mutable_grad() = turned;
  CHECK(mapped.locate());
  CHECK(mapped.grad().is_same(turned));
  // An expanded one has no memory of its own: it is copied, to one place.
  parameter.mutable_grad() = torch::full({1, 1}, 2.0F).expand({3, 4});
  CHECK(mapped.locate());
  CHECK(torch::equal(mapped.grad(), torch::full({3, 4}, 2.0F)));
  CHECK(!mapped.locate());
  // A parameter without factors is one run of memory, so that its gradient lies as it does.
  MappedTensor dense(parameter, /*is_factor=*/false);
  parameter.mutable_grad() = turned;
  CHECK(dense.locate());
  CHECK(dense.grad().strides() == parameter.strides());
  dense.forget();
  CHECK(!dense.grad().defined());
}

}  // namespace
