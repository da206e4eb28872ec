// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/merge.hpp>
#include <lorapro/io/merge_check.hpp>

#include "support/catch.hpp"
#include "support/peft_folder.hpp"

namespace {

using lorapro::io::merge_adapter;
using lorapro::io::PeftAdapter;
using peft_folder::config_with;
using peft_folder::floats;

const std::string kCheckedQ = "model.layers.0.self_attn.q_proj.weight";
const std::string kCheckedV = "model.layers.0.self_attn.v_proj.weight";

std::string checked_entry(const std::string& name, const std::string& dtype,
                          const std::string& shape, std::size_t begin, std::size_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

TEST_CASE("what cannot be merged is refused by name and leaves no file", "[merge_check]") {
  const ScratchFolder folder, adapter_folder;
  const PeftAdapter adapter(peft_folder::write(adapter_folder));
  const auto out = folder.path() / "out.safetensors";
  const auto refused = [&](const std::string& bytes, const std::string& message) {
    const auto base = folder.write("base.safetensors", bytes);
    CHECK_THROWS_WITH(merge_adapter(base, adapter, out), contains_text(message));
    CHECK_FALSE(std::filesystem::exists(out));
    CHECK_FALSE(std::filesystem::exists(out.string() + ".part"));
  };
  const auto with = [](const std::string& q, std::size_t bytes) {
    return peft_folder::file(q + "," + checked_entry(kCheckedV, "F32", "[2,4]", bytes, bytes + 32),
                             std::string(bytes + 32, '\0'));
  };
  refused(with(checked_entry("x", "F32", "[3,4]", 0, 48), 48),
          "base: expected a tensor \"" + kCheckedQ + "\"");
  // Both files and both shapes.
  refused(with(checked_entry(kCheckedQ, "F32", "[4,3]", 0, 48), 48),
          (adapter_folder.path() / "adapter_model.safetensors").string() +
              ": module \"model.layers.0.self_attn.q_proj\": expected the shape (4, 3), as " +
              (folder.path() / "base.safetensors").string() + " has \"" + kCheckedQ +
              "\", got (3, 4)");
  refused(with(checked_entry(kCheckedQ, "I8", "[3,4]", 0, 12), 12),
          "expected F64, F32, F16 or BF16 to merge into, got I8");
  refused(with(checked_entry(kCheckedQ, "F8_E4M3", "[3,4]", 0, 12), 12), "got F8_E4M3");
  refused(peft_folder::file(checked_entry(kCheckedQ, "F16", "[3,4]", 0, 24) + "," +
                                checked_entry(kCheckedV, "F32", "[2,4]", 24, 56),
                            std::string(22, '\0') + "\xff\x7b" + std::string(32, '\0')),
          kCheckedQ + "\": expected merged numbers that are finite in F16");
  const std::string whole =
      peft_folder::file(checked_entry(kCheckedQ, "F32", "[3,4]", 0, 48) + "," +
                            checked_entry(kCheckedV, "F32", "[2,4]", 48, 80),
                        std::string(80, '\1'));
  const auto base = folder.write("base.safetensors", whole);
  CHECK_THROWS_WITH(merge_adapter(base, adapter, base),
                    contains_text("out: expected another place than the base's"));
  CHECK(bytes_of_file(base) == whole);
  const ScratchFolder other;
  const PeftAdapter pissa(
      peft_folder::write(other, config_with("weights\": true", "weights\": \"pissa\"")));
  CHECK_THROWS_WITH(merge_adapter(base, pissa, out),
                    contains_text("init_lora_weights: expected an adapter that belongs"));
  CHECK_THROWS_AS(unmerge_adapter(base, pissa, out), lorapro::ConfigError);
}

TEST_CASE("whole tensors of another shape, or beyond the base's type", "[merge_check]") {
  const ScratchFolder folder;
  const std::string norm = "model.norm.weight";
  const auto merged = [&](const std::vector<float>& values, const std::string& shape,
                          const std::string& dtype, double allowed = 0.05) {
    const ScratchFolder adapter_folder;
    const PeftAdapter adapter(peft_folder::write(
        adapter_folder, config_with("modules_to_save\": null", "modules_to_save\": [\"norm\"]"),
        peft_folder::file(
            checked_entry("base_model.model." + norm, "F32", shape, 0, 4 * values.size()),
            floats(values))));
    const std::size_t bytes = dtype == "F32" ? 12 : 6;
    const auto base = folder.write(
        "base.safetensors",
        peft_folder::file(checked_entry(norm, dtype, "[3]", 0, bytes), std::string(bytes, '\0')));
    return merge_adapter(base, adapter, folder.path() / "out.safetensors", allowed).notes;
  };
  CHECK_THROWS_WITH(merged({1, 2}, "[2]", "F32"),
                    contains_text("adapter_model.safetensors: tensor \"base_model.model." + norm +
                                  "\": expected the shape (3), as ") &&
                        contains_text("base.safetensors has \"" + norm + "\", got (2)"));
  CHECK_THROWS_WITH(merged({1, 2, 70000}, "[3]", "F16"),
                    contains_text("expected merged numbers that are finite in F16"));
  CHECK(merged({1, 2, 70000}, "[3]", "F32").empty());
  CHECK(merged({1, 2, 3}, "[3]", "F16").empty());
  CHECK(merged({1.2345F, -2.3456F, 3.4567F}, "[3]", "F16").empty());
  // Subnormal in F16: steps of 6e-8.
  CHECK_THROWS_WITH(
      merged({1e-7F, 1e-7F, 1e-7F}, "[3]", "F16"),
      contains_text("tensor \"" + norm +
                    "\": expected to lose at most 5 % of its norm in the base's F16"));
  const auto notes = merged({1e-7F, 1e-7F, 1e-7F}, "[3]", "F16", 0.5);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "tensor \"" + norm + "\": loses 19 % of its norm in the base's F16");
  CHECK(merged({1e-7F, 1e-7F, 1e-7F}, "[3]", "BF16").empty());
  CHECK(merged({0, 0, 0}, "[3]", "F16").empty());
}

}  // namespace
