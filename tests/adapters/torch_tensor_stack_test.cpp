// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::detail::part_of;
using lorapro::torch_adapter::detail::stacked;
using torch::Tensor;

TEST_CASE("tensors that lie apart are copied into one", "[torch_tensor_stack]") {
  torch::manual_seed(86);
  const std::vector<Tensor> parts{torch::randn({2, 3}), torch::randn({2, 3})};
  const Tensor stack = stacked(parts);
  CHECK(torch::equal(stack, torch::stack(parts)));
  CHECK(stack.data_ptr() != parts[0].data_ptr());
  CHECK(part_of(stack, 1).data_ptr() == stack[1].data_ptr());
}

TEST_CASE("parts of a stack are that memory again", "[torch_tensor_stack]") {
  torch::manual_seed(87);
  const Tensor whole = torch::randn({4, 2, 3});
  const auto parts = [&](std::vector<std::size_t> which) {
    std::vector<Tensor> out;
    for (const std::size_t i : which) out.push_back(part_of(whole, i));
    return out;
  };
  for (const auto& which : {std::vector<std::size_t>{0, 1, 2, 3}, {1, 2}, {3}}) {
    const Tensor again = stacked(parts(which));
    CHECK(again.data_ptr() == whole[static_cast<std::int64_t>(which[0])].data_ptr());
    CHECK(torch::equal(again, torch::stack(parts(which))));
  }
  // Others, in another order or with gaps, are not.
  for (const auto& which : {std::vector<std::size_t>{1, 0}, {0, 2}, {2, 2}}) {
    const Tensor copy = stacked(parts(which));
    CHECK(!copy.is_alias_of(whole));
    CHECK(torch::equal(copy, torch::stack(parts(which))));
  }
  const std::vector<Tensor> turned{whole[0].t(), whole[1].t()};
  CHECK(!stacked(turned).is_alias_of(whole));
}

}  // namespace
