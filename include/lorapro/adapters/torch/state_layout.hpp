// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/mapped_tensor.hpp>
#include <lorapro/optim/checked_view.hpp>
#include <lorapro/optim/rule_checks.hpp>
#include <lorapro/optim/rules.hpp>

#include <map>          // std::map
#include <string>       // std::string
#include <string_view>  // std::string_view
#include <vector>       // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// Shapes of the tensors of a LoraProParamState by their names.
using StateLayout = std::map<std::string, std::vector<std::int64_t>>;

/// The layout of what a rule keeps of an item, masters included.
/// \cost the state of one item, for as long as it takes. \throws ConfigError (no such rule).
inline StateLayout state_layout(std::string_view rule, const Item& item) {
  StateLayout layout;
  const auto own_shape = item.A.sizes().vec();
  visit_rule<float>(rule, [&](auto tag) {
    using States = lorapro::detail::RuleStates<typename decltype(tag)::Rule, float>;
    if (item.is_pair()) {
      const PairShape shape{item.B.size(0), item.A.size(1), item.A.size(0)};
      typename States::Pair(shape).visit([&](const std::string& name, const auto& tensor) {
        layout[name] = {tensor.rows(), tensor.cols()};
      });
    } else {
      Dense dense;
      dense.factor.value.rank = 1;
      dense.factor.value.length = item.A.numel();
      dense.cols = columns_in_memory(item.A);
      dense.rows = dense.cols > 0 ? item.A.numel() / dense.cols : 0;
      typename States::Dense(dense).visit(
          [&](const std::string& name, const auto&) { layout[name] = own_shape; });
    }
  });
  if (item.A.scalar_type() != torch::kBFloat16 && item.A.scalar_type() != torch::kHalf)
    return layout;
  if (item.is_pair()) {
    layout["master_A"] = own_shape;
    layout["master_B"] = item.B.sizes().vec();
  } else {
    layout["master"] = own_shape;
  }
  return layout;
}

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
