// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// Adapters of DoRA in PEFT directories, in layers and in merged checkpoints.
#include <lorapro/io/adapter_load.hpp>
#include <lorapro/io/gguf_adapter.hpp>
#include <lorapro/io/merge.hpp>
#include <lorapro/layer/pissa_init.hpp>

#include "support/peft_folder.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::ConfigError;
using lorapro::DoraLayer;
using lorapro::FormatError;
using lorapro::Index;
using lorapro::io::AdapterModule;
using lorapro::io::PeftAdapter;
using peft_folder::config_with;
using peft_folder::entry;
using peft_folder::floats;
using peft_folder::kAttention;
using DoraFloats = lorapro::RowMatrix<float>;

constexpr Index kDoraOut = 300, kDoraIn = 40;  // more rows than one block

lorapro::LoraConfig dora_file_config() {
  lorapro::LoraConfig config;
  config.rank = 3;
  config.lora_alpha = 4.5;
  return config;
}

/// A layer as training leaves it.
template <typename Scalar, typename Init = lorapro::ConfiguredInit>
DoraLayer<Scalar> trained_dora(support::Random& random, const lorapro::RowMatrix<Scalar>& W,
                               const Init& init = {}) {
  DoraLayer<Scalar> layer(BaseWeight<Scalar>::own(W), dora_file_config(), nullptr, init);
  layer.lora_B() += reference::rounded<Scalar>(random.matrix(W.rows(), 3));
  layer.magnitude() += reference::rounded<Scalar>(random.matrix(1, W.rows()));
  return layer;
}

template <typename Scalar>
std::filesystem::path written_base(const ScratchFolder& folder,
                                   const lorapro::RowMatrix<Scalar>& W) {
  lorapro::io::SafetensorsWriter writer;
  writer.add("a.q.weight",
             {static_cast<std::uint64_t>(W.rows()), static_cast<std::uint64_t>(W.cols())},
             W.data());
  writer.write(folder.path() / "base.safetensors");
  return folder.path() / "base.safetensors";
}

DoraFloats read_weight(const std::filesystem::path& path, Index rows, Index cols) {
  const lorapro::io::SafetensorsReader file(path);
  DoraFloats out(rows, cols);
  file.read(
      file.at("a.q.weight", {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols)}),
      out.data());
  return out;
}

// ---------------------------------------------------------------- directories

TEMPLATE_TEST_CASE("a layer of DoRA goes through a directory", "[dora_adapter]", float, double) {
  LORAPRO_TEST_RANDOM(random, 3501);
  using Values = lorapro::RowMatrix<TestType>;
  const Values W = reference::rounded<float>(random.matrix(12, 9)).template cast<TestType>();
  const auto layer = trained_dora<TestType>(random, W);
  for (const auto type : {lorapro::StorageType::f32, lorapro::StorageType::bf16}) {
    const ScratchFolder folder;
    lorapro::io::write_peft_adapter(folder.path(), {}, {lorapro::io::adapter_module("a.q", layer)},
                                    type);
    const PeftAdapter adapter(folder.path());
    CHECK(adapter.config().use_dora);
    const auto* const tensor = adapter.file().find("base_model.model.a.q.lora_magnitude_vector");
    REQUIRE(tensor != nullptr);
    CHECK(tensor->shape == lorapro::io::TensorShape{12});
    CHECK(tensor->dtype == lorapro::io::Dtype::f32);
    DoraLayer<TestType> other(BaseWeight<TestType>::own(W), dora_file_config());
    const auto report =
        lorapro::io::load_adapter<DoraLayer<TestType>>(adapter.modules(), {{"a.q", &other}});
    CHECK(report.complete());
    const auto in_float = [](const auto& m) { return DoraFloats(m.template cast<float>()); };
    CHECK(in_float(other.magnitude()) == in_float(layer.magnitude()));
    if (type != lorapro::StorageType::f32) continue;
    CHECK(in_float(other.lora_A()) == in_float(layer.lora_A()));
    CHECK(in_float(other.lora_B()) == in_float(layer.lora_B()));
  }
}

/// q_proj of two outputs and one input, of rank 2, and what else is in the file.
PeftAdapter dora_by_hand(const ScratchFolder& folder, const std::string& more,
                         const std::string& config) {
  return PeftAdapter(peft_folder::write(
      folder, config,
      peft_folder::file(entry(kAttention + "q_proj.lora_A.weight", 2, 1, 0) + "," +
                            entry(kAttention + "q_proj.lora_B.weight", 2, 2, 8) + more,
                        floats({1, 2, 3, 4, 5, 6, 7, 8}))));
}

std::string magnitude_entry(const std::string& shape, const std::string& dtype = "F32") {
  return ",\"" + kAttention + "q_proj.lora_magnitude_vector\":{\"dtype\":\"" + dtype +
         "\",\"shape\":" + shape + ",\"data_offsets\":[24,32]}";
}

TEST_CASE("a directory of PEFT's with magnitudes is read and written again", "[dora_adapter]") {
  const std::string dora = config_with("use_dora\": false", "use_dora\": true");
  const ScratchFolder folder, again;
  const PeftAdapter adapter = dora_by_hand(folder, magnitude_entry("[2]"), dora);
  REQUIRE(adapter.modules().size() == 1);
  CHECK(adapter.modules()[0].is_dora());
  CHECK(adapter.modules()[0].magnitude() == (DoraFloats(1, 2) << 7, 8).finished());
  lorapro::io::write_peft_adapter(again.path(), adapter.config(), adapter.modules());
  CHECK(bytes_of_file(again.path() / "adapter_config.json") == dora);
  CHECK(PeftAdapter(again.path()).modules()[0].magnitude() == adapter.modules()[0].magnitude());
}

TEST_CASE("magnitudes that do not belong are refused", "[dora_adapter]") {
  const std::string dora = config_with("use_dora\": false", "use_dora\": true");
  const ScratchFolder folder;
  const auto refused = [&](const std::string& more, const std::string& config,
                           const std::string& message) {
    CHECK_THROWS_WITH(dora_by_hand(folder, more, config), contains_text(message));
    CHECK_THROWS_AS(dora_by_hand(folder, more, config), FormatError);
  };
  refused(
      magnitude_entry("[2]"), peft_folder::kConfig,
      "lora_magnitude_vector\": expected lora_A.weight or lora_B.weight, got a kind that is not "
      "supported");
  refused("," + entry("base_model.model.lm_head.weight", 1, 2, 24), dora,
          "lora_A.weight\": expected a lora_magnitude_vector beside it, got none");
  refused(magnitude_entry("[1,2]"), dora,
          "expected (2), a number for each row of lora_B, got (1, 2)");
  refused(magnitude_entry("[2]", "I32"), dora, "expected F64, F32, F16 or BF16, got I32");
  const std::string alone = "\"" + kAttention + "q_proj.lora_magnitude_vector\"";
  peft_folder::write(
      folder, dora,
      peft_folder::file(alone + R"(:{"dtype":"F32","shape":[2],"data_offsets":[0,8]})",
                        floats({1, 2})));
  CHECK_THROWS_WITH(PeftAdapter(folder.path()),
                    contains_text("expected factors beside it, got none"));
}

TEST_CASE("modules with magnitudes and without do not mix", "[dora_adapter]") {
  LORAPRO_TEST_RANDOM(random, 3502);
  const auto W = reference::rounded<float>(random.matrix(6, 5));
  const auto dora = trained_dora<float>(random, W);
  const lorapro::LoraLayer<float> lora(BaseWeight<float>::map(W), dora_file_config());
  const ScratchFolder folder;
  CHECK_THROWS_WITH(lorapro::io::write_peft_adapter(folder.path(), {},
                                                    {lorapro::io::adapter_module("a.q", dora),
                                                     lorapro::io::adapter_module("a.v", lora)}),
                    "use_dora: expected the same for all modules, got another for \"a.v\"");
  DoraLayer<float> into_dora(BaseWeight<float>::map(W), dora_file_config());
  lorapro::LoraLayer<float> into_lora(BaseWeight<float>::map(W), dora_file_config());
  CHECK_THROWS_WITH((void)lorapro::io::load_adapter<lorapro::LoraLayer<float>>(
                        {lorapro::io::adapter_module("a.q", dora)}, {{"a.q", &into_lora}}),
                    "a.q: expected no magnitude, as the layer has none, got DoRA");
  CHECK_THROWS_WITH((void)lorapro::io::load_adapter<DoraLayer<float>>(
                        {lorapro::io::adapter_module("a.q", lora)}, {{"a.q", &into_dora}}),
                    "a.q: expected a magnitude for a DoraLayer, got LoRA");
}

TEST_CASE("llama.cpp has no DoRA", "[dora_adapter]") {
  LORAPRO_TEST_RANDOM(random, 3503);
  const auto layer = trained_dora<float>(random, reference::rounded<float>(random.matrix(6, 5)));
  const ScratchFolder folder;
  CHECK_THROWS_WITH(
      lorapro::io::write_gguf_adapter(folder.path() / "a.gguf",
                                      {lorapro::io::adapter_module("a.q", layer)}, {}),
      "a.q: expected LoRA without a magnitude for llama.cpp, got DoRA; merge it into the base "
      "first");
  CHECK_FALSE(std::filesystem::exists(folder.path() / "a.gguf"));
}

// ---------------------------------------------------------------- merging

TEST_CASE("DoRA merged into a checkpoint is the layer's merge", "[dora_adapter]") {
  LORAPRO_TEST_RANDOM(random, 3504);
  auto W = reference::rounded<float>(random.matrix(kDoraOut, kDoraIn));
  W.row(7).setZero();
  auto layer = trained_dora<float>(random, W);
  layer.lora_B().row(7).setZero();
  const ScratchFolder folder;
  const auto base = written_base(folder, W), merged = folder.path() / "merged.safetensors";
  lorapro::io::write_peft_adapter(folder.path() / "adapter", {},
                                  {lorapro::io::adapter_module("a.q", layer)});
  const PeftAdapter adapter(folder.path() / "adapter");
  CHECK(lorapro::io::merge_adapter(base, adapter, merged).merged == 1);
  layer.merge();
  const DoraFloats expected = layer.base_weight().matrix();
  const DoraFloats got = read_weight(merged, kDoraOut, kDoraIn);
  CHECK(got.row(7).isZero(0));
  CHECK(support::distance(got, reference::real(expected)) <=
        support::tolerance<float>(2, 1, 1, static_cast<double>(expected.norm())));
  CHECK_THROWS_WITH(lorapro::io::unmerge_adapter(merged, adapter, folder.path() / "back"),
                    "adapter: expected LoRA to unmerge, got DoRA, which leaves no trace of the "
                    "lengths of W's rows");

  // (in, out): the lengths would be those of columns.
  auto config = adapter.config();
  config.fan_in_fan_out = true;
  lorapro::io::write_peft_adapter(folder.path() / "turned", config, adapter.modules());
  CHECK_THROWS_WITH(
      lorapro::io::merge_adapter(base, PeftAdapter(folder.path() / "turned"), merged),
      contains_text("expected a weight of (out, in) to merge DoRA into, got one of (in, out)"));
}

TEST_CASE("DoRA that started from another W0 is exported for the untouched one", "[dora_adapter]") {
  LORAPRO_TEST_RANDOM(random, 3505);
  const auto W = reference::rounded<float>(random.matrix(20, 30));
  const ScratchFolder folder;
  DoraLayer<float> start(BaseWeight<float>::own(W), dora_file_config(), nullptr,
                         lorapro::PissaInit{});
  const AdapterModule initial = lorapro::io::adapter_module("a.q", start);
  auto layer = trained_dora<float>(random, W, lorapro::PissaInit{});
  lorapro::io::write_peft_adapter(
      folder.path() / "adapter", {},
      {lorapro::io::difference_module(lorapro::io::adapter_module("a.q", layer), initial)});
  const auto merged = folder.path() / "merged.safetensors";
  lorapro::io::merge_adapter(written_base(folder, W), PeftAdapter(folder.path() / "adapter"),
                             merged);
  layer.merge();
  const DoraFloats expected = layer.base_weight().matrix();
  CHECK(support::distance(read_weight(merged, 20, 30), reference::real(expected)) <=
        support::tolerance<float>(8, 1, 1, static_cast<double>(expected.norm())));
}

}  // namespace
