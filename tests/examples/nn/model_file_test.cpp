// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/model_file.hpp"

#include "examples/nn/gpt.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::nn::Gpt;
using lorapro::io::SafetensorsReader;
using lorapro::io::SafetensorsWriter;

Gpt<float> random_model(std::uint64_t seed) {
  Gpt<float> gpt({16, 8, 8, 1, 2});
  examples::RandomEngine engine(seed);
  gpt.randomize(engine);
  return gpt;
}

std::vector<float> values_of(Gpt<float>& gpt) {
  std::vector<float> all;
  examples::nn::for_each_parameter(gpt, [&](const std::string&, auto& parameter) {
    all.insert(all.end(), parameter.value.data(), parameter.value.data() + parameter.value.size());
  });
  return all;
}

std::filesystem::path save(Gpt<float>& gpt, const ScratchFolder& folder) {
  SafetensorsWriter file;
  save_parameters(gpt, file);
  file.write(folder.path() / "model.safetensors");
  return folder.path() / "model.safetensors";
}

TEST_CASE("a model is what was saved", "[nn][model_file]") {
  const ScratchFolder folder;
  auto saved = random_model(1), other = random_model(2);
  REQUIRE(values_of(other) != values_of(saved));
  load_parameters(other, SafetensorsReader(save(saved, folder)));
  CHECK(values_of(other) == values_of(saved));
}

TEST_CASE("models in other shapes and numbers that are not finite are refused",
          "[nn][model_file]") {
  const ScratchFolder folder;
  auto saved = random_model(1);
  const SafetensorsReader file(save(saved, folder));
  Gpt<float> wider({16, 8, 12, 1, 2}), deeper({16, 8, 8, 2, 2});
  CHECK_THROWS_AS(load_parameters(wider, file), lorapro::FormatError);
  CHECK_THROWS_AS(load_parameters(deeper, file), lorapro::FormatError);

  saved.tokens().table().value(3, 3) = std::numeric_limits<float>::quiet_NaN();
  const SafetensorsReader broken(save(saved, folder));
  CHECK_THROWS_AS(load_parameters(saved, broken), lorapro::FormatError);
}

}  // namespace
