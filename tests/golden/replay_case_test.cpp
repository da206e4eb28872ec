// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

#include "examples/support/replay_case.hpp"

#include <cmath>
#include <filesystem>
#include <vector>

#include "support/catch.hpp"
#include "support/golden_case.hpp"
#include "support/scratch_folder.hpp"

namespace {

using example::ReferenceCase;
using example::replay_case;

TEST_CASE("cases of starts and of DoRA replay", "[golden]") {
  int replayed = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(golden_folder() + "/initialisations")) {
    const std::string path = entry.path().string();
    INFO(path);
    REQUIRE(ReferenceCase::is_case(example::SafetensorsReader(path)));
    CHECK(replay_case<double>(ReferenceCase(path)) <= support::kGoldenTolerance<double>);
    CHECK(replay_case<float>(ReferenceCase(path)) <= support::kGoldenTolerance<float>);
    ++replayed;
  }
  CHECK(replayed == 16);
  CHECK_FALSE(ReferenceCase::is_case(
      example::SafetensorsReader(golden_folder() + "/00_sgd_zero_m12n20r4_random.safetensors")));
}

/// A case of golden/initialisations with an entry of a tensor, or of its metadata, changed.
class ChangedCase {
 public:
  explicit ChangedCase(const std::string& kind) : path_(support::golden_cases(kind).front()) {}

  ReferenceCase with(const std::string& tensor, double change) const {
    return write(tensor, change, "", "");
  }
  ReferenceCase with(const std::string& key, const std::string& value) const {
    return write("", 0, key, value);
  }

 private:
  ReferenceCase write(const std::string& changed, double change, const std::string& key,
                      const std::string& value) const {
    const example::SafetensorsReader in(path_);
    lorapro::io::SafetensorsWriter out;
    for (const auto& [name, text] : in.metadata()) out.set_metadata(name, text);
    if (!key.empty()) out.set_metadata(key, value);
    std::vector<std::vector<double>> values;
    values.reserve(in.tensors().size());
    for (const auto& tensor : in.tensors()) {
      values.emplace_back(static_cast<std::size_t>(tensor.count()));
      in.read(tensor, values.back().data());
      if (tensor.name == changed) values.back()[1] += change;
      out.add(tensor.name, tensor.shape, values.back().data());
    }
    const auto path = folder_.path() / "changed.safetensors";
    out.write(path);
    return ReferenceCase(path.string());
  }

  std::string path_;
  ScratchFolder folder_;
};

TEST_CASE("a case that says something else is seen", "[golden]") {
  for (const char* const kind : {"pissa", "olora", "lora_ga", "lora_one", "eva_exact"})
    CHECK(replay_case<double>(ChangedCase(kind).with("A", 1e-6)) > 1e-8);
  CHECK(replay_case<double>(ChangedCase("eva_truncated").with("x_1", 1e-3)) > 1e-8);
  for (const char* const tensor : {"y", "grad_x", "grad_A", "grad_B", "grad_magnitude", "W_merged"})
    CHECK(replay_case<double>(ChangedCase("dora").with(tensor, 1e-6)) > 1e-8);
  CHECK(std::isnan(replay_case<double>(ChangedCase("pissa").with("A", std::nan("")))));
}

TEST_CASE("what a case lacks is named", "[golden]") {
  CHECK_THROWS_WITH(replay_case<double>(ChangedCase("pissa").with("kind", "lora_xs")),
                    contains_text("has the unknown kind lora_xs"));
  CHECK_THROWS_WITH(replay_case<double>(ChangedCase("pissa").with("r", "three")),
                    contains_text("has a metadata entry r that is not a number"));
  CHECK_THROWS_WITH(
      replay_case<double>(ChangedCase("pissa").with("r", "1e300")),
      contains_text("has a metadata entry r that is not a whole number from 1 to 1000000"));
  CHECK_THROWS_WITH(replay_case<double>(ChangedCase("lora_ga").with("scale", "gd")),
                    contains_text("expected the direction ArB2r and the scale stable"));
  CHECK_THROWS_WITH(replay_case<double>(ChangedCase("pissa").with("kind", "lora_one")),
                    contains_text("tensor \"G\": expected in the file, got none"));
  CHECK_THROWS_WITH(replay_case<double>(ChangedCase("dora").with("r", "2")),
                    contains_text("A: expected the shape (2, 14), got (3, 14)"));
}

}  // namespace
