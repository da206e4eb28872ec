// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::detail::PairTable;
using lorapro::torch_adapter::detail::Role;
using support::leaf;
using torch::Tensor;

TEST_CASE("a table knows the role of a parameter and the pair of a lora_A", "[torch_pair_table]") {
  const Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat);
  const Tensor C = leaf({3, 5}, torch::kFloat), D = leaf({4, 3}, torch::kFloat);
  PairTable table;
  table.add({LoraPair{A, B, 2.0}});
  table.add({LoraPair{C, D, 3.0, "block.0"}});
  CHECK(table.pairs().size() == 2);
  CHECK(table.role_of(A) == Role::lora_A);
  CHECK(table.role_of(D) == Role::lora_B);
  CHECK(table.role_of(leaf({2}, torch::kFloat)) == Role::plain);
  CHECK(table.with_A(C).lora_B.is_same(D));
  CHECK(table.with_A(A).scaling == 2);
  CHECK(table.text(table.pairs()[0]) == "pair 0, lora_A (2, 5)");
  CHECK(table.text(table.pairs()[1]) == "pair block.0");
}

TEST_CASE("a factor belongs to one pair", "[torch_pair_table]") {
  const Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat);
  PairTable table;
  table.add({LoraPair{A, B, 2.0}});
  const auto refused = [&](const Tensor& a, const Tensor& b) {
    return message_of<lorapro::Error>([&] { table.add({LoraPair{a, b, 1.0}}); });
  };
  CHECK(refused(A, leaf({4, 2}, torch::kFloat)) ==
        "pairs: expected every factor once, got one again");
  CHECK(refused(leaf({2, 5}, torch::kFloat), B) ==
        "pairs: expected every factor once, got one again");
  CHECK_THAT(refused(leaf({2, 5}, torch::kFloat), {}), contains_text("lora_B: expected a matrix"));
}

}  // namespace
