// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/pretrained_file.hpp"

#include "examples/nn/vit.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

#include <fstream>

namespace {

using examples::fingerprint;
using examples::holds_pretrained;
using Vit = examples::nn::Vit<float>;

const examples::nn::VitConfig kTinyVit{4, 2, 8, 1, 2, 3};

Vit random_model(std::uint64_t seed) {
  Vit vit(kTinyVit);
  examples::RandomEngine engine(seed);
  vit.randomize(engine);
  return vit;
}

TEST_CASE("a pretrained model comes back for its recipe alone", "[example_support]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "new" / "base.safetensors";
  CHECK_FALSE(holds_pretrained(path, "two epochs"));
  Vit vit = random_model(1);
  examples::write_pretrained(path, "two epochs", vit);
  CHECK(holds_pretrained(path, "two epochs"));
  CHECK_FALSE(holds_pretrained(path, "three epochs"));

  Vit read(kTinyVit);
  examples::nn::load_parameters(read, lorapro::io::SafetensorsReader(path));
  const lorapro::RowMatrix<float> images = lorapro::RowMatrix<float>::Random(2, 16);
  CHECK(read.forward(images) == vit.forward(images));
}

TEST_CASE("a damaged file of a pretrained model is to be made again", "[example_support]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "base.safetensors";
  Vit vit = random_model(1);
  examples::write_pretrained(path, "recipe", vit);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  CHECK_FALSE(holds_pretrained(path, "recipe"));
  std::ofstream(path) << "no tensors";
  CHECK_FALSE(holds_pretrained(path, "recipe"));
}

TEST_CASE("a fingerprint tells models apart", "[example_support]") {
  const ScratchFolder folder;
  const auto write = [&](const char* name, std::uint64_t seed) {
    Vit vit = random_model(seed);
    examples::write_pretrained(folder.path() / name, "recipe", vit);
    return fingerprint(folder.path() / name);
  };
  CHECK(write("a", 1) == write("b", 1));
  CHECK(write("c", 2) != fingerprint(folder.path() / "a"));
}

}  // namespace
