// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/model_files.hpp>

#include "support/catch.hpp"
#include "support/peft_folder.hpp"

namespace {

using lorapro::io::detail::ModelFiles;
using nlohmann::json;
using peft_folder::entry;

std::string shard_with(const std::string& name) {
  return peft_folder::file(entry(name, 1, 2, 0), peft_folder::floats({1, 2}));
}

TEST_CASE("the files of a model, alone, in a folder and in shards", "[model_files]") {
  const ScratchFolder folder;
  const auto single = folder.write("model.safetensors", shard_with("a"));
  for (const auto& base : {single, folder.path()}) {
    const ModelFiles model(base);
    CHECK(model.is_folder() == (base == folder.path()));
    CHECK(model.folder() == folder.path());
    REQUIRE(model.files().size() == 1);
    CHECK(model.target(*model.files()[0], "out") ==
          (model.is_folder() ? "out/model.safetensors" : "out"));
    CHECK(model.find("a")->tensor->count() == 2);
    CHECK_FALSE(model.find("b"));
    CHECK(model.write_index(folder.path() / "none").empty());
  }
  folder.write("x.safetensors", shard_with("b"));
  folder.write("y.safetensors", shard_with("c"));
  folder.write("model.safetensors.index.json",
               R"({"metadata": {"total_size": 16},
                   "weight_map": {"b": "x.safetensors", "c": "y.safetensors"}})");
  ModelFiles shards(folder.path());
  CHECK(shards.files().size() == 2);
  CHECK(shards.tensors().size() == 2);
  CHECK(shards.find("c")->file->path().filename() == "y.safetensors");
  shards.note_in_index("d", *shards.find("c")->file, 40, 10);
  shards.note_in_index("b", *shards.find("b")->file, 12, 3);
  std::filesystem::create_directory(folder.path() / "out");
  shards.write_index(folder.path() / "out");
  const auto index = json::parse(bytes_of_file(folder.path() / "out/model.safetensors.index.json"));
  CHECK(index["metadata"] == json{{"total_size", 16 + 40 + 4}});
  CHECK(index["weight_map"] ==
        json{{"b", "x.safetensors"}, {"c", "y.safetensors"}, {"d", "y.safetensors"}});
}

}  // namespace
