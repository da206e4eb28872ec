// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/merge.hpp>

#include "support/adapter_modules.hpp"
#include "support/peft_folder.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::FormatError;
using lorapro::Index;
using lorapro::RowMatrix;
using lorapro::StorageType;
using lorapro::io::merge_adapter;
using lorapro::io::PeftAdapter;
using lorapro::io::SafetensorsReader;
using lorapro::io::unmerge_adapter;
using peft_folder::config_with;
using peft_folder::floats;
using peft_folder::kConfig;

const std::string kQ = "model.layers.0.self_attn.q_proj.weight";
const std::string kV = "model.layers.0.self_attn.v_proj.weight";

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  std::size_t begin, std::size_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// 12 numbers of q_proj and 8 of v_proj, in F32.
std::string base_by_hand(const std::vector<float>& q, const std::vector<float>& v) {
  return peft_folder::file(
      R"("__metadata__":{"format":"pt","x":"y"},)" + entry(kQ, "F32", "[3,4]", 0, 48) + "," +
          entry(kV, "F32", "[2,4]", 48, 80) + "," + entry("other", "I8", "[3]", 80, 83),
      floats(q) + floats(v) + "abc");
}

const std::vector<float> kBaseQ{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
const std::vector<float> kBaseV{0, 0, 1, 1, 2, 2, 3, 3};
// s B A of peft_folder::weights(): 2 [1 2 3 4; 5 6 7 8; 9 10 11 12] and 6 [2 0 -2 1; -3 0 3 -1.5].
const std::vector<float> kMergedQ{3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36};
const std::vector<float> kMergedV{12, 0, -11, 7, -16, 2, 21, -6};

TEST_CASE("merging and unmerging a file, byte for byte", "[merge]") {
  const ScratchFolder folder, adapter_folder;
  const PeftAdapter adapter(peft_folder::write(adapter_folder));
  const auto base = folder.write("base.safetensors", base_by_hand(kBaseQ, kBaseV));
  const auto merged = folder.path() / "merged.safetensors",
             back = folder.path() / "back.safetensors";
  const auto report = merge_adapter(base, adapter, merged);
  CHECK(report.merged == 2);
  CHECK(report.replaced == 0);
  CHECK(report.copied == 1);
  CHECK(bytes_of_file(merged) == base_by_hand(kMergedQ, kMergedV));
  CHECK(unmerge_adapter(merged, adapter, back).merged == 2);
  CHECK(bytes_of_file(back) == bytes_of_file(base));
}

TEST_CASE("merging in every dtype against dense sums", "[merge]") {
  LORAPRO_TEST_RANDOM(random, 51);
  constexpr Index kOut = 300, kIn = 40, kRank = 5;  // more rows than one block
  const lorapro::io::AdapterModules modules{
      support::random_module(random, "a.q", kOut, kIn, kRank, 3, true)};
  const ScratchFolder folder;
  lorapro::io::write_peft_adapter(folder.path() / "adapter", {}, modules);
  const PeftAdapter adapter(folder.path() / "adapter");
  const auto W = random.matrix(kOut, kIn);
  for (const StorageType type :
       {StorageType::f32, StorageType::f16, StorageType::bf16, StorageType::f64}) {
    CAPTURE(static_cast<int>(type));
    lorapro::io::SafetensorsWriter writer;
    const RowMatrix<double> values = W.cast<double>();
    writer.add("a.q.weight", lorapro::io::dtype_of(type), {kOut, kIn},
               [&](lorapro::io::TensorSink& sink) {
                 sink.write(values.data(), static_cast<std::size_t>(values.size()));
               });
    const auto base = folder.path() / "base.safetensors", merged = folder.path() / "m.safetensors",
               back = folder.path() / "b.safetensors";
    writer.write(base);
    const auto read = [&](const auto& path) {
      const SafetensorsReader file(path);
      CHECK(file.tensors().size() == 1);
      RowMatrix<double> out(kOut, kIn);
      file.read(file.at("a.q.weight", {kOut, kIn}), out.data());
      return out;
    };
    merge_adapter(base, adapter, merged);
    const support::RealMatrix expected = reference::real(read(base)) + support::delta(modules[0]);
    const double eps = std::max(lorapro::storage_epsilon(type), 0.0);
    const RowMatrix<double> came = read(merged);
    for (Index i = 0; i < kOut; ++i)
      for (Index j = 0; j < kIn; ++j) {
        // Half a step of the dtype, and of the sum of rank + 1 products before it.
        const double size = std::abs(static_cast<double>(expected(i, j)));
        const double sum = lorapro::storage_epsilon<float>() * 40;
        REQUIRE(std::abs(came(i, j) - static_cast<double>(expected(i, j))) <=
                0.51 * eps * size + (type == StorageType::f64 ? 1e-13 : sum));
      }
    unmerge_adapter(merged, adapter, back);
    const double largest = came.cwiseAbs().maxCoeff();
    CHECK((read(back) - read(base)).cwiseAbs().maxCoeff() <=
          eps * largest * 1.01 + (type == StorageType::f64 ? 1e-13 : 1e-5));
  }
}

TEST_CASE("a sharded checkpoint", "[merge]") {
  const ScratchFolder folder, adapter_folder;
  const PeftAdapter adapter(peft_folder::write(adapter_folder));
  const auto base = folder.path() / "base", out = folder.path() / "out";
  std::filesystem::create_directory(base);
  const std::string first = peft_folder::file(entry(kQ, "F32", "[3,4]", 0, 48), floats(kBaseQ));
  const std::string second = peft_folder::file(
      entry(kV, "F32", "[2,4]", 0, 32) + "," + entry("other", "I8", "[3]", 32, 35),
      floats(kBaseV) + "abc");
  const std::string index =
      "{\n  \"metadata\": {\n    \"total_size\": 83\n  },\n  \"weight_map\": {\n    \"" + kQ +
      "\": \"model-00001-of-00002.safetensors\",\n    \"" + kV +
      "\": \"model-00002-of-00002.safetensors\",\n    \"other\": "
      "\"model-00002-of-00002.safetensors\"\n  }\n}\n";
  folder.write("base/model-00001-of-00002.safetensors", first);
  folder.write("base/model-00002-of-00002.safetensors", second);
  folder.write("base/model.safetensors.index.json", index);
  const auto report = merge_adapter(base, adapter, out);
  CHECK(report.merged == 2);
  CHECK(report.copied == 1);
  CHECK(bytes_of_file(out / "model.safetensors.index.json") == index);
  CHECK(bytes_of_file(out / "model-00001-of-00002.safetensors") ==
        peft_folder::file(entry(kQ, "F32", "[3,4]", 0, 48), floats(kMergedQ)));
  CHECK(bytes_of_file(out / "model-00002-of-00002.safetensors") ==
        peft_folder::file(
            entry(kV, "F32", "[2,4]", 0, 32) + "," + entry("other", "I8", "[3]", 32, 35),
            floats(kMergedV) + "abc"));
  unmerge_adapter(out, adapter, folder.path() / "back");
  CHECK(bytes_of_file(folder.path() / "back/model-00001-of-00002.safetensors") == first);

  const auto refused = [&](const std::string& from, const std::string& to,
                           const std::string& message) {
    std::string changed = index;
    changed.replace(changed.find(from), from.size(), to);
    folder.write("base/model.safetensors.index.json", changed);
    CAPTURE(to);
    CHECK_THROWS_WITH(merge_adapter(base, adapter, folder.path() / "none"), contains_text(message));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "none"));
  };
  refused("model-00001-of-00002.safetensors", "../base/model-00001-of-00002.safetensors",
          "a .safetensors file in the same folder");
  refused("model-00001-of-00002.safetensors", "model-00001-of-00002.bin",
          "a .safetensors file in the same folder");
  refused("\"model-00001-of-00002.safetensors\"", "7", "expected the name of a file");
  refused("\"other\"", "\"another\"", "expected an entry for \"other\"");
  refused("\"other\": ", "\"another\": \"model-00001-of-00002.safetensors\", \"other\": ",
          "\"another\": expected it in \"model-00001-of-00002.safetensors\"");
  refused("weight_map", "weightmap", "weight_map: expected an object");
  refused("model-00001-of-00002.safetensors", "model-00003-of-00002.safetensors",
          "expected a file");
}

TEST_CASE("a folder with one file", "[merge]") {
  const ScratchFolder folder, adapter_folder;
  const PeftAdapter adapter(peft_folder::write(adapter_folder));
  std::filesystem::create_directory(folder.path() / "base");
  folder.write("base/model.safetensors", base_by_hand(kBaseQ, kBaseV));
  merge_adapter(folder.path() / "base", adapter, folder.path() / "out");
  CHECK(bytes_of_file(folder.path() / "out/model.safetensors") == base_by_hand(kMergedQ, kMergedV));
}

TEST_CASE("a base with weights of (in, out)", "[merge]") {
  const ScratchFolder folder, adapter_folder;
  const PeftAdapter adapter(peft_folder::write(
      adapter_folder, config_with("fan_in_fan_out\": false", "fan_in_fan_out\": true")));
  const auto transposed = [](const std::vector<float>& q, const std::vector<float>& v) {
    const auto turn = [](const std::vector<float>& from, std::size_t rows) {
      std::vector<float> to(from.size());
      const std::size_t cols = from.size() / rows;
      for (std::size_t k = 0; k < from.size(); ++k) to[k % cols * rows + k / cols] = from[k];
      return to;
    };
    return peft_folder::file(
        entry(kQ, "F32", "[4,3]", 0, 48) + "," + entry(kV, "F32", "[4,2]", 48, 80),
        floats(turn(q, 3)) + floats(turn(v, 2)));
  };
  merge_adapter(folder.write("base.safetensors", transposed(kBaseQ, kBaseV)), adapter,
                folder.path() / "out.safetensors");
  CHECK(bytes_of_file(folder.path() / "out.safetensors") == transposed(kMergedQ, kMergedV));
}

TEST_CASE("whole tensors of the adapter replace the base's, and cannot be unmerged", "[merge]") {
  const ScratchFolder folder, adapter_folder;
  const PeftAdapter adapter(peft_folder::write(
      adapter_folder, config_with("modules_to_save\": null", "modules_to_save\": [\"norm\"]"),
      peft_folder::file(entry("base_model.model.model.norm.weight", "F32", "[2]", 0, 8),
                        floats({2, 3}))));
  const auto base = folder.write("base.safetensors",
                                 peft_folder::file(entry("model.norm.weight", "BF16", "[2]", 0, 4),
                                                   std::string("\x80\x3f\x80\x3f", 4)));
  const auto out = folder.path() / "out.safetensors";
  CHECK(merge_adapter(base, adapter, out).replaced == 1);
  CHECK(bytes_of_file(out) == peft_folder::file(entry("model.norm.weight", "BF16", "[2]", 0, 4),
                                                std::string("\x00\x40\x40\x40", 4)));
  CHECK_THROWS_WITH(unmerge_adapter(out, adapter, folder.path() / "back.safetensors"),
                    contains_text("got the whole tensor \"model.norm.weight\""));
  const ScratchFolder large_folder;
  const PeftAdapter large(peft_folder::write(
      large_folder, config_with("modules_to_save\": null", "modules_to_save\": [\"norm\"]"),
      peft_folder::file(entry("base_model.model.model.norm.weight", "F32", "[2]", 0, 8),
                        floats({2, 70000}))));
  const auto half = folder.write(
      "half.safetensors",
      peft_folder::file(entry("model.norm.weight", "F16", "[2]", 0, 4), std::string(4, '\0')));
  CHECK_THROWS_WITH(merge_adapter(half, large, folder.path() / "none.safetensors"),
                    contains_text("expected merged numbers that are finite in F16"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "none.safetensors"));
}

TEST_CASE("a folder gets the configs that it is loaded with", "[merge]") {
  const ScratchFolder folder, adapter_folder;
  const PeftAdapter adapter(peft_folder::write(adapter_folder));
  const auto base = folder.path() / "base", out = folder.path() / "out";
  std::filesystem::create_directory(base);
  folder.write("base/model.safetensors", base_by_hand(kBaseQ, kBaseV));
  // Python takes it for JSON.
  folder.write("base/config.json", "{\"time_step_limit\": [0.0, Infinity]}");
  folder.write("base/generation_config.json", "{}\n");
  folder.write("base/notes.txt", "not the model's");
  CHECK(merge_adapter(base, adapter, out).notes.empty());
  CHECK(bytes_of_file(out / "config.json") == "{\"time_step_limit\": [0.0, Infinity]}");
  CHECK(bytes_of_file(out / "generation_config.json") == "{}\n");
  CHECK_FALSE(std::filesystem::exists(out / "notes.txt"));
  CHECK(unmerge_adapter(out, adapter, folder.path() / "back").notes.empty());
  CHECK(std::filesystem::exists(folder.path() / "back/config.json"));

  // A link of the output must not lead into the base.
  const auto linked = folder.path() / "linked";
  std::filesystem::create_directory(linked);
  std::filesystem::create_symlink("../base/config.json", linked / "config.json");
  CHECK_THROWS_WITH(merge_adapter(base, adapter, linked),
                    contains_text("out: expected another place than the base's, got " +
                                  (linked / "config.json").string()));
  CHECK_FALSE(std::filesystem::exists(linked / "model.safetensors"));
}

TEST_CASE("whole tensors of modules with factors are merged with them", "[merge]") {
  const ScratchFolder folder, adapter_folder;
  // W0 of q_proj as the adapter has it, in place of the base's, and s B A = 2 [1 2 3 4; ...] on
  // top.
  const std::string q = "base_model.model.model.layers.0.self_attn.q_proj.";
  peft_folder::write(
      adapter_folder, config_with("\"none\"", "\"all\""),
      peft_folder::file(entry(q + "base_layer.bias", "F32", "[3]", 0, 12) + "," +
                            entry(q + "base_layer.weight", "F32", "[3,4]", 12, 60) + "," +
                            entry(q + "lora_A.weight", "F32", "[2,4]", 60, 92) + "," +
                            entry(q + "lora_B.weight", "F32", "[3,2]", 92, 116),
                        floats({7, 8, 9}) +
                            floats({10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30}) +
                            floats({1, 0, 0, 0, 0, 0, 0, 1}) + floats({1, 0, 0, 1, 1, 1})));
  const auto base = folder.write(
      "base.safetensors",
      peft_folder::file(entry("model.layers.0.self_attn.q_proj.bias", "F32", "[3]", 0, 12) + "," +
                            entry(kQ, "F32", "[3,4]", 12, 60),
                        floats({1, 2, 3}) + floats(kBaseQ)));
  const PeftAdapter adapter(adapter_folder.path());
  const auto report = merge_adapter(base, adapter, folder.path() / "merged.safetensors");
  CHECK(report.merged == 1);
  CHECK(report.replaced == 1);
  CHECK(report.copied == 0);
  const SafetensorsReader merged(folder.path() / "merged.safetensors");
  RowMatrix<float> W(3, 4), expected(3, 4);
  merged.read(merged.at(kQ, {3, 4}), W.data());
  expected << 12, 10, 10, 10, 20, 20, 20, 22, 32, 30, 30, 32;
  CHECK(W == expected);
  std::vector<float> bias(3);
  merged.read(merged.at("model.layers.0.self_attn.q_proj.bias", {3}), bias.data());
  CHECK(bias == std::vector<float>{7, 8, 9});
  CHECK_THROWS_AS(unmerge_adapter(folder.path() / "merged.safetensors", adapter,
                                  folder.path() / "back.safetensors"),
                  ConfigError);
}

}  // namespace
