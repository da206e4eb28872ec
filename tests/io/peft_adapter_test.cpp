// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/peft_adapter.hpp>

#include <limits>

#include "support/adapter_modules.hpp"
#include "support/peft_folder.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::FileError;
using lorapro::FormatError;
using lorapro::RowMatrix;
using lorapro::StorageType;
using lorapro::io::AdapterModules;
using lorapro::io::PeftAdapter;
using lorapro::io::PeftConfig;
using lorapro::io::write_peft_adapter;
using peft_folder::config_with;
using peft_folder::entry;
using peft_folder::floats;
using peft_folder::kAttention;
using peft_folder::kConfig;

TEST_CASE("a directory of PEFT's is read", "[peft_adapter]") {
  const ScratchFolder folder;
  const PeftAdapter adapter(peft_folder::write(folder));
  REQUIRE(adapter.modules().size() == 2);
  const auto& q = adapter.modules()[0];
  CHECK(q.path == "model.layers.0.self_attn.q_proj");
  CHECK(q.out_features == 3);
  CHECK(q.in_features == 4);
  CHECK(q.rank == 2);
  CHECK(q.lora_alpha == 4);
  CHECK(q.scaling() == 2);
  CHECK(q.lora_A()(1, 2) == 7);
  CHECK(q.lora_B()(2, 0) == -1);
  const auto& v = adapter.modules()[1];
  CHECK(v.rank == 1);
  CHECK(v.scaling() == 6);
  CHECK(v.lora_A()(0, 3) == 0.5F);
  CHECK(adapter.replaced().empty());
}

TEST_CASE("a directory is written as it was read, byte for byte", "[peft_adapter]") {
  const ScratchFolder from, to;
  const PeftAdapter adapter(peft_folder::write(from));
  write_peft_adapter(to.path() / "new" / "folder", adapter.config(), adapter.modules());
  CHECK(bytes_of_file(to.path() / "new/folder/adapter_config.json") == kConfig);
  CHECK(bytes_of_file(to.path() / "new/folder/adapter_model.safetensors") ==
        peft_folder::weights());
  for (const auto& file : std::filesystem::directory_iterator(to.path() / "new" / "folder"))
    CHECK(file.path().extension() != ".part");
}

TEST_CASE("rsLoRA in the config is in the scaling", "[peft_adapter]") {
  const ScratchFolder folder;
  const PeftAdapter adapter(
      peft_folder::write(folder, config_with("rslora\": false", "rslora\": true")));
  CHECK(adapter.modules()[0].scaling() == 4 / std::sqrt(2.0));
  CHECK(adapter.modules()[1].scaling() == 6);
}

TEST_CASE("factors of every type round trip", "[peft_adapter]") {
  LORAPRO_TEST_RANDOM(random, 21);
  const AdapterModules modules{support::random_module(random, "layers.0.q", 6, 5, 3, 7, true),
                               support::random_module(random, "layers.1.q", 6, 5, 2, 7, true),
                               support::random_module(random, "x.layers.1.q", 6, 5, 3, 7, true),
                               support::random_module(random, "layers.10.q", 6, 5, 3, 9, true)};
  for (const StorageType type : {StorageType::f32, StorageType::f16, StorageType::bf16}) {
    const ScratchFolder folder;
    write_peft_adapter(folder.path(), {}, modules, type);
    const PeftAdapter adapter(folder.path());
    REQUIRE(adapter.modules().size() == modules.size());
    for (std::size_t k = 0; k < modules.size(); ++k) {
      const auto& came = adapter.modules()[k];
      const auto same = std::find_if(modules.begin(), modules.end(),
                                     [&](const auto& module) { return module.path == came.path; });
      REQUIRE(same != modules.end());
      CHECK(came.scaling() == same->scaling());
      CHECK(came.rank == same->rank);
      lorapro::visit_storage_type(type, [&](auto zero) {
        using T = decltype(zero);
        CHECK(came.lora_A() == same->lora_A().template cast<T>().template cast<float>());
        CHECK(came.lora_B() == same->lora_B().template cast<T>().template cast<float>());
      });
    }
  }
}

TEST_CASE("modules_to_save and biases are kept", "[peft_adapter]") {
  const ScratchFolder from, to;
  std::string config =
      config_with("modules_to_save\": null", "modules_to_save\": [\n    \"norm\"\n  ]");
  config.replace(config.find("\"none\""), 6, "\"all\"");
  const std::string bytes = peft_folder::file(
      peft_folder::kMetadata + "," + entry("base_model.model.lm_head.weight", 1, 2, 0) + "," +
          entry(kAttention + "q_proj.base_layer.bias", 1, 3, 8) + "," +
          entry(kAttention + "q_proj.lora_A.weight", 2, 1, 20) + "," +
          entry(kAttention + "q_proj.lora_B.weight", 1, 2, 28) + "," +
          entry("base_model.model.model.norm.weight", 1, 2, 36),
      floats({9, 8, 7, 6, 5, 1, 2, 3, 4, 10, 11}));
  const PeftAdapter adapter(peft_folder::write(from, config, bytes));
  REQUIRE(adapter.replaced().size() == 3);
  CHECK(adapter.replaced()[0].name == "lm_head.weight");
  CHECK(adapter.replaced()[1].name == "model.layers.0.self_attn.q_proj.bias");
  CHECK(adapter.replaced()[2].name == "model.norm.weight");
  write_peft_adapter(to.path(), adapter.config(), adapter.modules(), StorageType::f32,
                     adapter.replaced());
  CHECK(bytes_of_file(to.path() / "adapter_model.safetensors") == bytes);
  CHECK(bytes_of_file(to.path() / "adapter_config.json") == config);
}

/// An adapter with q_proj's factors and whole tensors of one row of two, and these fields.
PeftAdapter adapter_with(const ScratchFolder& folder, const std::string& from,
                         const std::string& to, const std::vector<std::string>& whole) {
  std::string header = entry(kAttention + "q_proj.lora_A.weight", 2, 1, 0) + "," +
                       entry(kAttention + "q_proj.lora_B.weight", 1, 2, 8);
  std::vector<float> values{1, 2, 3, 4};
  for (const std::string& name : whole) {
    header += "," + entry("base_model.model." + name, 1, 2, static_cast<int>(4 * values.size()));
    values.push_back(static_cast<float>(values.size()));
    values.push_back(0);
  }
  return PeftAdapter(
      peft_folder::write(folder, config_with(from, to), peft_folder::file(header, floats(values))));
}

std::vector<std::string> names_of(const std::vector<lorapro::io::ReplacedTensor>& replaced) {
  std::vector<std::string> out;
  for (const auto& tensor : replaced) out.push_back(tensor.name);
  return out;
}

TEST_CASE("whole tensors have the base model's names, and are written under PEFT's",
          "[peft_adapter]") {
  using Names = std::vector<std::string>;
  const ScratchFolder from, to;
  const std::string q = "model.layers.0.self_attn.q_proj";
  const auto adapter =
      adapter_with(from, "\"bias\": \"none\"", "\"bias\": \"all\"",
                   {q + ".base_layer.bias", "model.norm.bias", "attn.in_proj_bias",
                    "rel.relative_attention_bias.weight", "transformer.wte.weight"});
  const Names names{q + ".bias", "model.norm.bias", "attn.in_proj_bias",
                    "rel.relative_attention_bias.weight", "transformer.wte.weight"};
  CHECK(names_of(adapter.replaced()) == names);
  write_peft_adapter(to.path(), adapter.config(), adapter.modules(), StorageType::f32,
                     adapter.replaced());
  const PeftAdapter again(to.path());
  CHECK(again.file().find("base_model.model." + q + ".base_layer.bias") != nullptr);
  CHECK(again.file().find("base_model.model.model.norm.bias") != nullptr);
  CHECK(again.replaced().size() == names.size());

  // Written by a PEFT that had no base_layer: what is written again is what PEFT now looks for.
  const ScratchFolder old_from, old_to;
  const auto old =
      adapter_with(old_from, "\"bias\": \"none\"", "\"bias\": \"lora_only\"", {q + ".bias"});
  CHECK(names_of(old.replaced()) == Names{q + ".bias"});
  write_peft_adapter(old_to.path(), old.config(), old.modules(), StorageType::f32, old.replaced());
  CHECK(PeftAdapter(old_to.path()).file().find("base_model.model." + q + ".base_layer.bias") !=
        nullptr);
}

TEST_CASE("a head among the targets comes with the head's own weight", "[peft_adapter]") {
  const ScratchFolder folder, to;
  peft_folder::write(
      folder, config_with("\"q_proj\"", "\"lm_head\""),
      peft_folder::file(entry("base_model.model.lm_head.base_layer.weight", 1, 2, 0) + "," +
                            entry("base_model.model.lm_head.lora_A.weight", 2, 2, 8) + "," +
                            entry("base_model.model.lm_head.lora_B.weight", 1, 2, 24),
                        floats({1, 2, 3, 4, 5, 6, 7, 8})));
  const PeftAdapter adapter(folder.path());
  CHECK(adapter.modules()[0].path == "lm_head");
  CHECK(names_of(adapter.replaced()) == std::vector<std::string>{"lm_head.weight"});
  write_peft_adapter(to.path(), adapter.config(), adapter.modules(), StorageType::f32,
                     adapter.replaced());
  CHECK(bytes_of_file(to.path() / "adapter_config.json") ==
        bytes_of_file(folder.path() / "adapter_config.json"));
  CHECK(PeftAdapter(to.path()).file().find("base_model.model.lm_head.base_layer.weight") !=
        nullptr);
}

TEST_CASE("modules_to_save may be made of layers, and be named by its end", "[peft_adapter]") {
  const ScratchFolder from, to;
  const std::vector<std::string> names{"classifier.dense.weight", "classifier.dense.bias",
                                       "classifier.lora_gate.bias", "pre_classifier.bias"};
  const auto adapter =
      adapter_with(from, "modules_to_save\": null",
                   "modules_to_save\": [\n    \"classifier\",\n    \"score\"\n  ]", names);
  CHECK(names_of(adapter.replaced()) == names);
  write_peft_adapter(to.path(), adapter.config(), adapter.modules(), StorageType::f32,
                     adapter.replaced());
  CHECK(bytes_of_file(to.path() / "adapter_config.json") ==
        bytes_of_file(from.path() / "adapter_config.json"));
  CHECK(names_of(PeftAdapter(to.path()).replaced()).size() == names.size());
}

TEST_CASE("what PEFT saves twice is read once, as PEFT loads it", "[peft_adapter]") {
  // bias = all takes every name with the word in it, those of the wrapped modules too.
  const ScratchFolder folder;
  std::string config = config_with("\"none\"", "\"all\"");
  const std::string saved = "modules_to_save\": ";
  config.replace(config.find(saved) + saved.size(), 4, "[\"score\"]");
  const std::string name = "base_model.model.score.";
  peft_folder::write(folder, config,
                     peft_folder::file(entry(kAttention + "q_proj.lora_A.weight", 2, 1, 0) + "," +
                                           entry(kAttention + "q_proj.lora_B.weight", 1, 2, 8) +
                                           "," + entry(name + "modules_to_save.bias", 1, 1, 16) +
                                           "," + entry(name + "bias", 1, 1, 20) + "," +
                                           entry(name + "original_module.bias", 1, 1, 24) + "," +
                                           entry(kAttention + "q_proj.bias", 1, 1, 28) + "," +
                                           entry(kAttention + "q_proj.base_layer.bias", 1, 1, 32),
                                       floats({1, 2, 3, 4, 5, 6, 7, 8, 9})));
  const PeftAdapter adapter(folder.path());
  REQUIRE(adapter.replaced().size() == 2);
  const auto value = [&](std::size_t k) {
    float out = 0;
    adapter.file().read(adapter.replaced()[k].tensor, &out);
    return out;
  };
  CHECK(adapter.replaced()[0].name == "score.bias");
  CHECK(value(0) == 6);
  CHECK(adapter.replaced()[1].name == "model.layers.0.self_attn.q_proj.bias");
  CHECK(value(1) == 9);
}

TEST_CASE("an adapter is read and written again whatever its pattern says", "[peft_adapter]") {
  const std::string list = "[\n    \"q_proj\",\n    \"v_proj\"\n  ]";
  for (const std::string pattern : {R"("^(?!.*(?:visual|lm_head)).*(?:q_proj|v_proj).*")",
                                    R"("model\\.layers\\.\\d{1,2}\\.self_attn\\.(q|v)_proj")",
                                    R"("(?i).*PROJ")", R"("all-linear")"}) {
    const ScratchFolder from, to;
    const std::string config = config_with(list, pattern);
    CAPTURE(pattern);
    const PeftAdapter adapter(peft_folder::write(from, config));
    CHECK(adapter.modules().size() == 2);
    write_peft_adapter(to.path(), adapter.config(), adapter.modules());
    CHECK(bytes_of_file(to.path() / "adapter_config.json") == config);
  }
}

TEST_CASE("fields that leave modules out are dropped on writing", "[peft_adapter]") {
  const ScratchFolder from, to;
  const PeftAdapter adapter(peft_folder::write(
      from, config_with("layers_to_transform\": null", "layers_to_transform\": [7]")));
  CHECK(adapter.modules().size() == 2);
  write_peft_adapter(to.path(), adapter.config(), adapter.modules());
  const PeftAdapter again(to.path());
  CHECK(again.config().document["layers_to_transform"].is_null());
  CHECK(again.config().target_modules.size() == 2);
}

void refused(const std::string& config, const std::string& bytes, const std::string& message) {
  const ScratchFolder folder;
  peft_folder::write(folder, config, bytes);
  CHECK_THROWS_AS(PeftAdapter(folder.path()), FormatError);
  CHECK_THROWS_WITH(PeftAdapter(folder.path()), contains_text(message));
}

TEST_CASE("the rules of the tensors, broken one at a time", "[peft_adapter]") {
  const auto one = [](const std::string& name, int rows, int cols) {
    return peft_folder::file(entry(name, rows, cols, 0),
                             std::string(static_cast<std::size_t>(4 * rows * cols), '\0'));
  };
  const auto pair = [](const std::string& A, const std::string& B) {
    return peft_folder::file(A + "," + B, std::string(64, '\0'));
  };
  const std::string A = kAttention + "q_proj.lora_A.weight",
                    B = kAttention + "q_proj.lora_B.weight";
  refused(kConfig, one(A, 2, 4), "q_proj.lora_A.weight\": expected a lora_B.weight beside it");
  refused(kConfig, one(B, 3, 2), "q_proj.lora_B.weight\": expected a lora_A.weight beside it");
  refused(kConfig, pair(entry(A, 4, 2, 0), entry(B, 2, 4, 32)),
          "expected rank 2, as the config has");
  refused(kConfig, pair(entry(A, 2, 4, 0), entry(B, 2, 4, 32)), "lora_B.weight\": expected rank 2");
  refused(kConfig,
          pair(entry(kAttention + "k_proj.lora_A.weight", 2, 4, 0),
               entry(kAttention + "k_proj.lora_B.weight", 4, 2, 32)),
          "expected a module of target_modules");
  refused(kConfig, one("model.q_proj.lora_A.weight", 2, 4), "begins with base_model.model.");
  for (const std::string kind : {".lora_magnitude_vector", ".lora_B.bias", ".lora_A.default.weight",
                                 ".lora_magnitude_vector.weight", ".lora_embedding_A.weight"})
    refused(kConfig, one(kAttention + "q_proj" + kind, 2, 4), "got a kind that is not supported");
  refused(kConfig, one(kAttention + "q_proj.bias", 2, 4), "or a bias where bias is not none");
  refused(kConfig,
          peft_folder::file("\"base_model.model.model.norm.weight\":{\"dtype\":\"F32\",\"shape\":"
                            "[8],\"data_offsets\":[0,32]}",
                            std::string(32, '\0')),
          "expected a factor, or a module");
  refused(config_with("\"none\"", "\"all\""), one(kAttention + "q_proj.lora_B.bias", 1, 1),
          "got a kind that is not supported");
  refused(kConfig,
          peft_folder::file("\"" + A +
                                R"(":{"dtype":"F32","shape":[2,2,1,1],"data_offsets":[0,16]},")" +
                                B + R"(":{"dtype":"F32","shape":[2,2],"data_offsets":[16,32]})",
                            std::string(32, '\0')),
          "expected a matrix, got (2, 2, 1, 1)");
  refused(
      kConfig,
      peft_folder::file("\"" + A + R"(":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]},")" +
                            B + R"(":{"dtype":"F32","shape":[2,2],"data_offsets":[16,32]})",
                        std::string(32, '\0')),
      "expected F64, F32, F16 or BF16, got I32");
  refused(kConfig,
          peft_folder::file("\"" + A + R"(":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]},")" +
                                B + R"(":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})",
                            std::string(16, '\0')),
          "expected sizes from 1 to 2^31");
}

TEST_CASE("numbers that are not finite are refused as they are read", "[peft_adapter]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ScratchFolder folder;
  peft_folder::write(folder, kConfig,
                     peft_folder::file(entry(kAttention + "q_proj.lora_A.weight", 2, 1, 0) + "," +
                                           entry(kAttention + "q_proj.lora_B.weight", 1, 2, 8),
                                       floats({1, nan, 1, 1})));
  const PeftAdapter adapter(folder.path());
  CHECK_NOTHROW(adapter.modules()[0].lora_B());
  CHECK_THROWS_WITH(adapter.modules()[0].lora_A(),
                    contains_text("lora_A.weight\": expected finite numbers"));
}

TEST_CASE("a directory cut anywhere is refused", "[peft_adapter]") {
  const std::string bytes = peft_folder::weights();
  const ScratchFolder folder;
  peft_folder::write(folder);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    folder.write("adapter_model.safetensors", bytes.substr(0, size));
    CHECK_THROWS_AS(PeftAdapter(folder.path()), FormatError);
  }
  folder.write("adapter_model.safetensors", bytes);
  for (std::size_t size = 0; size < kConfig.size(); ++size) {
    folder.write("adapter_config.json", kConfig.substr(0, size));
    CHECK_THROWS_AS(PeftAdapter(folder.path()), FormatError);
  }
}

TEST_CASE("files that are not there, and pickles", "[peft_adapter]") {
  const ScratchFolder folder;
  CHECK_THROWS_AS(PeftAdapter(folder.path()), FileError);
  folder.write("adapter_config.json", kConfig);
  CHECK_THROWS_AS(PeftAdapter(folder.path()), FileError);
  folder.write("adapter_model.bin", "x");
  CHECK_THROWS_WITH(PeftAdapter(folder.path()), contains_text("got a pickle alone"));
}

TEST_CASE("factors that do not fit the type are balanced, or their loss is told",
          "[peft_adapter]") {
  LORAPRO_TEST_RANDOM(random, 24);
  auto module = support::random_module(random, "q", 12, 9, 3, 2);
  const ScratchFolder folder;
  const auto product_in = [&](const std::filesystem::path& place) {
    const PeftAdapter adapter(place);
    REQUIRE(adapter.modules().size() == 1);
    return support::delta(adapter.modules()[0]);
  };
  for (const float size : {1e-5F, 1e-6F, 1e-7F, 1e-8F}) {
    CAPTURE(size);
    const RowMatrix<float> B = size * module.lora_B();
    module.lora_B = [B] { return B; };
    for (const StorageType type : {StorageType::f16, StorageType::bf16}) {
      const auto report = write_peft_adapter(folder.path() / "a", {}, {module}, type);
      CHECK(report.lossy.empty());
      CHECK(report.warnings.empty());
      CHECK(report.balanced.size() == (type == StorageType::f16 ? 1U : 0U));
      const support::RealMatrix wanted = support::delta(module);
      CHECK(support::distance(product_in(folder.path() / "a"), wanted) <=
            lorapro::io::explained_loss(type) * static_cast<double>(reference::norm(wanted)));
    }
    module.lora_B = [B, size] { return RowMatrix<float>(B / size); };
  }
  const auto lora_A = module.lora_A, lora_B = module.lora_B;
  module.lora_A = [lora_A] { return RowMatrix<float>(1e-7F * lora_A()); };
  module.lora_B = [lora_B] { return RowMatrix<float>(1e-8F * lora_B()); };
  CHECK_THROWS_WITH(write_peft_adapter(folder.path() / "b", {}, {module}, StorageType::f16),
                    contains_text("q: expected to lose at most 5 % of the norm of s B A in F16"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "b"));
  const auto report =
      write_peft_adapter(folder.path() / "b", {}, {module}, StorageType::f16, {}, 1);
  REQUIRE(report.lossy.size() == 1);
  const support::RealMatrix wanted = support::delta(module);
  CHECK(report.lossy[0].loss == Approx(support::distance(product_in(folder.path() / "b"), wanted) /
                                       static_cast<double>(reference::norm(wanted))));
}

TEST_CASE("factors of F64, also such as float does not hold", "[peft_adapter]") {
  const ScratchFolder folder;
  const auto written = [&](std::vector<double> a, std::vector<double> b) {
    lorapro::io::SafetensorsWriter file;
    const std::string name = "base_model.model.q_proj.lora_";
    file.add(name + "A.weight", {2, 2}, a.data());
    file.add(name + "B.weight", {1, 2}, b.data());
    file.write(folder.path() / "adapter_model.safetensors");
    folder.write("adapter_config.json", kConfig);
    const PeftAdapter adapter(folder.path());
    return RowMatrix<float>(adapter.modules()[0].lora_B() * adapter.modules()[0].lora_A());
  };
  const RowMatrix<float> usual = written({1, 2, 3, 4}, {5, 6}),
                         odd = written({1e60, 2e60, 3, 4}, {5e-60, 6});
  CHECK(odd(0, 0) == Approx(usual(0, 0)));
  CHECK(odd(0, 1) == Approx(usual(0, 1)));
  CHECK_THROWS_WITH(written({1e60, 2, 3, 4}, {1e60, 1}),
                    contains_text("expected factors whose product float can hold"));
  CHECK_THROWS_WITH(written({1e-60, 2e-60, 3, 4}, {1e-60, 1}),
                    contains_text("expected factors whose product float can hold"));
}

TEST_CASE("what cannot be written leaves no file", "[peft_adapter]") {
  LORAPRO_TEST_RANDOM(random, 23);
  const ScratchFolder folder;
  const auto place = folder.path() / "a";
  CHECK_THROWS_AS(write_peft_adapter(place, {}, {}), ConfigError);
  auto module = support::random_module(random, "q", 2, 3, 1, 1);
  CHECK_THROWS_AS(write_peft_adapter(place, {}, {module, module}), ConfigError);
  auto other = support::random_module(random, "v", 2, 3, 1, 1, true);
  CHECK_THROWS_WITH(write_peft_adapter(place, {}, {module, other}),
                    contains_text("use_rslora: expected the same"));
  module.lora_A = [] { return RowMatrix<float>(RowMatrix<float>::Constant(1, 3, 1e9F)); };
  module.lora_B = [] { return RowMatrix<float>(RowMatrix<float>::Constant(2, 1, 1e9F)); };
  CHECK_THROWS_WITH(write_peft_adapter(place, {}, {module}, StorageType::f16),
                    contains_text("q.lora_A: expected numbers that are finite in F16"));
  module.lora_A = [] { return RowMatrix<float>(RowMatrix<float>::Zero(2, 3)); };
  CHECK_THROWS_AS(write_peft_adapter(place, {}, {module}), lorapro::ShapeError);
  CHECK((!std::filesystem::exists(place) || std::filesystem::is_empty(place)));
}

}  // namespace
