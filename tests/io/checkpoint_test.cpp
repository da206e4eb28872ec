// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/checkpoint.hpp>
#include <lorapro/layer/lora_layer.hpp>

#include <random>  // std::mt19937, std::minstd_rand

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::RowMatrix;
using lorapro::io::CheckpointReader;
using lorapro::io::CheckpointWriter;
using lorapro::io::FormatError;

TEST_CASE("values and generators come back", "[io][checkpoint]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "checkpoint";
  std::mt19937 engine(3);
  std::mt19937_64 other(4);
  std::minstd_rand small(5);
  engine.discard(1000);
  CheckpointWriter writer;
  writer.add_generator("engine", engine);
  writer.add_generator("other", other);
  writer.add_generator("small", small);
  writer.set("epoch", "2");
  writer.set("epoch", "3");
  writer.set("note", "\xc3\xa9\n");
  CHECK_THROWS_AS(writer.add_generator("engine", engine), ConfigError);
  engine.discard(1);  // as it is when the file is written
  writer.write(path);

  const CheckpointReader reader(path);
  std::mt19937 back;
  reader.load_generator("engine", back);
  CHECK(back == engine);
  std::mt19937_64 back_other;
  reader.load_generator("other", back_other);
  CHECK(back_other == other);
  std::minstd_rand back_small;
  reader.load_generator("small", back_small);
  CHECK(back_small == small);
  CHECK(reader.value("epoch") == "3");
  CHECK(reader.value("note") == "\xc3\xa9\n");
  CHECK(reader.has_value("epoch"));
  CHECK_FALSE(reader.has_value("engine"));
  CHECK_THROWS_AS(reader.value("missing"), FormatError);
  CHECK_THROWS_AS(reader.load_generator("missing", back), FormatError);
  const auto expected = path.string() +
                        ": generator \"engine\": expected the state of an engine of this type, got "
                        "another";
  CHECK(message_of<FormatError>([&] { reader.load_generator("engine", back_other); }) == expected);
  CHECK(message_of<FormatError>([&] { reader.load_generator("engine", back_small); }) == expected);
  CHECK(back_other == other);
  CHECK(back_small == small);
}

TEST_CASE("what is no checkpoint, or a newer one, is refused", "[io][checkpoint]") {
  const ScratchFolder folder;
  const auto message = [&](const std::string& metadata) {
    const auto path = folder.write("file", safetensors_bytes("{" + metadata + "}", ""));
    return message_of<FormatError>([&] { CheckpointReader reader(path); })
        .substr(path.string().size() + 2);
  };
  CHECK(message("") == "format: expected lorapro.checkpoint, got none");
  CHECK(message(R"("__metadata__":{"format":"pt"})") ==
        "format: expected lorapro.checkpoint, got \"pt\"");
  CHECK(message(R"("__metadata__":{"format":"lorapro.checkpoint"})") ==
        "metadata: expected the key \"version\", got none");
  for (const char* const version : {"2", "10", "", "x", "1 ", "-1"})
    CHECK(message(R"("__metadata__":{"format":"lorapro.checkpoint","version":")" +
                  std::string(version) + "\"}") ==
          "version: expected at most 1, which this library writes, got \"" + std::string(version) +
              "\"");
}

TEST_CASE("the masks of a layer's dropout go on", "[io][checkpoint]") {
  lorapro::LoraConfig config;
  config.rank = 2;
  config.lora_dropout = 0.5;
  const auto make = [&] {
    return lorapro::LoraLayer<float>(
        lorapro::BaseWeight<float>::own(RowMatrix<float>::Identity(4, 4)), config);
  };
  auto whole = make(), resumed = make();
  whole.lora_B().setOnes();
  resumed.lora_B().setOnes();
  const RowMatrix<float> x = RowMatrix<float>::Ones(3, 4);
  RowMatrix<float> y(3, 4), z(3, 4);
  for (int i = 0; i < 3; ++i) whole.forward(x, y);
  CHECK(whole.dropout_masks() == 3);
  resumed.set_dropout_masks(2);
  resumed.forward(x, z);
  CHECK(y == z);
  resumed.forward(x, z);
  CHECK(y != z);
}

}  // namespace
