// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/checkpoint.hpp"

#include "examples/nn/gpt.hpp"
#include "examples/nn/model_file.hpp"
#include "examples/nn/training.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using example::TensorFile;
using examples::TensorWriter;
using examples::nn::Gpt;
using examples::nn::GptConfig;

const GptConfig kTiny{16, 8, 8, 1, 2};

struct Training {
  Gpt<float> gpt{kTiny};
  lorapro::Optimizer<float, lorapro::AdamWRule> optimizer;

  Training() {
    examples::RandomEngine engine(1);
    gpt.randomize(engine);
    attach_to(optimizer, gpt);
  }

  void train(int steps) {
    const std::vector<int> tokens{1, 2, 3, 4, 5, 6, 7, 8}, labels{2, 3, 4, 5, 6, 7, 8, 9};
    for (int step = 0; step < steps; ++step) {
      gpt.loss_and_gradients(tokens, {2, 4, {}}, labels);
      CHECK(optimizer.step().skipped_non_finite == 0);
      optimizer.zero_grad();
    }
  }

  std::vector<float> values() {
    std::vector<float> all;
    examples::nn::for_each_parameter(gpt, [&](const std::string&, auto& parameter) {
      all.insert(all.end(), parameter.value.data(),
                 parameter.value.data() + parameter.value.size());
    });
    return all;
  }

  void save(const std::filesystem::path& path) {
    TensorWriter file;
    save_parameters(gpt, file);
    examples::nn::save_optimizer(optimizer, file);
    file.write(path);
  }
};

TEST_CASE("a training goes on from a checkpoint as if nothing had happened", "[nn][checkpoint]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "training.safetensors";
  Training whole, first, second;
  whole.train(5);
  first.train(3);
  first.save(path);
  const TensorFile file(path.string());
  load_parameters(second.gpt, file);
  examples::nn::load_optimizer(second.optimizer, file);
  CHECK(second.optimizer.step_count() == 3);
  second.train(2);
  CHECK(second.values() == whole.values());
  CHECK(second.values() != first.values());
}

TEST_CASE("a model is what was saved", "[nn][checkpoint]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "model.safetensors";
  Training saved;
  saved.train(1);
  saved.save(path);
  Training other;
  load_parameters(other.gpt, TensorFile(path.string()));
  CHECK(other.values() == saved.values());
  // Another writing leaves no temporary file behind.
  saved.save(path);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()),
                      std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("models in other shapes and broken numbers are refused", "[nn][checkpoint]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "model.safetensors";
  Training training;
  training.save(path);
  const TensorFile file(path.string());
  Gpt<float> wider({16, 8, 12, 1, 2}), deeper({16, 8, 8, 2, 2});
  CHECK_THROWS_AS(load_parameters(wider, file), std::runtime_error);
  CHECK_THROWS_AS(load_parameters(deeper, file), std::runtime_error);

  training.gpt.tokens().table().value(3, 3) = std::numeric_limits<float>::quiet_NaN();
  training.save(path);
  CHECK_THROWS_AS(load_parameters(training.gpt, TensorFile(path.string())), std::runtime_error);

  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  CHECK_THROWS_AS(TensorFile(folder.write("cut", bytes.substr(0, bytes.size() - 1)).string()),
                  std::runtime_error);
}

TEST_CASE("a checkpoint without a number of steps is refused", "[nn][checkpoint]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "training.safetensors";
  Training training;
  TensorWriter file;
  save_parameters(training.gpt, file);
  file.write(path);
  CHECK_THROWS_AS(examples::nn::load_optimizer(training.optimizer, TensorFile(path.string())),
                  std::runtime_error);
  examples::nn::save_optimizer(training.optimizer, file);
  file.add_metadata("optimizer.step", "-1");
  file.write(path);
  CHECK_THROWS_AS(examples::nn::load_optimizer(training.optimizer, TensorFile(path.string())),
                  std::runtime_error);
}

}  // namespace
