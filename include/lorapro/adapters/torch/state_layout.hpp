// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/mapped_tensor.hpp>
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
  const RuntimeRule<float>& runtime = runtime_rule<float>(rule);
  if (item.is_pair()) {
    lorapro::detail::GivenPair given;  // of shapes alone: making a state reads no memory
    given.pair.A.value.rank = given.pair.B.value.rank = item.A.size(0);
    given.pair.A.value.length = item.A.size(1);
    given.pair.B.value.length = item.B.size(0);
    runtime.pair_slot(given, "")->visit_state(
        [&](const std::string& name, const StateTensor& tensor) {
          layout[name] = {tensor.rows(), tensor.cols()};
        });
  } else {
    lorapro::detail::GivenDense given;
    given.dense.factor.value.rank = 1;
    given.dense.factor.value.length = item.A.numel();
    given.dense.cols = columns_in_memory(item.A);
    given.dense.rows = given.dense.cols > 0 ? item.A.numel() / given.dense.cols : 0;
    runtime.dense_slot(given, "")->visit_state(
        [&](const std::string& name, const StateTensor&) { layout[name] = own_shape; });
  }
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
