// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/peft_names.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::io::detail::strip_suffix;
using lorapro::io::detail::WholeName;

TEST_CASE("words of PEFT's are no part of a base model's names", "[peft_names]") {
  const auto base = [](const char* written) { return WholeName(written).name; };
  CHECK(base("model.norm.weight") == "model.norm.weight");
  CHECK(base("lm_head.base_layer.weight") == "lm_head.weight");
  CHECK(base("a.q_proj.base_layer.bias") == "a.q_proj.bias");
  CHECK(base("attn.base_layer.out_proj.base_layer.bias") == "attn.out_proj.bias");
  CHECK(base("classifier.modules_to_save.dense.bias") == "classifier.dense.bias");
  CHECK(base("my_base_layer.weight") == "my_base_layer.weight");
  CHECK(base("weight") == "weight");
  CHECK(base("") == "");
  CHECK(WholeName("a.base_layer.weight").is_wrapped);
  CHECK_FALSE(WholeName("a.weight").is_wrapped);
  CHECK(WholeName("a.original_module.weight").is_original);
  CHECK(WholeName("a.modules_to_save.weight").is_copy);
}

TEST_CASE("of two tensors for one name, the one that PEFT loads counts", "[peft_names]") {
  CHECK(WholeName("a.base_layer.weight").precedence() > WholeName("a.weight").precedence());
  CHECK(WholeName("a.weight").precedence() > WholeName("a.modules_to_save.weight").precedence());
}

TEST_CASE("ends of names are taken off where something is left", "[peft_names]") {
  std::string_view name = "q.lora_A.weight";
  CHECK(strip_suffix(name, ".lora_A.weight"));
  CHECK(name == "q");
  CHECK_FALSE(strip_suffix(name, "q"));
  CHECK_FALSE(strip_suffix(name, "long"));
  CHECK(name == "q");
}

}  // namespace
