// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Fine-tunes the base of image_classification on several ranks of MPI: each has the whole model and
// a part of every batch, and of the optimizer's state.
//
//   image_classification --methods lora_adamw --seeds 1    # once: makes the base
//   mpirun -n 4 distributed_finetune
//   mpirun -n 4 distributed_finetune --method lora_pro_adapter --batch-size 128

#include <lorapro/adapters/mpi.hpp>
#include <lorapro/lorapro.hpp>
#include <lorapro/optim/rules.hpp>
#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cmath>  // std::lround
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "nn/model_file.hpp"
#include "nn/softmax_cross_entropy.hpp"
#include "nn/training.hpp"
#include "nn/vit.hpp"
#include "support/cache.hpp"
#include "support/classifier_fine_tuning.hpp"
#include "support/fashion_images.hpp"
#include "support/method.hpp"
#include "support/program.hpp"
#include "support/progress_bar.hpp"
#include "support/random.hpp"

namespace {

using examples::LabelledImages;
using examples::Method;
using lorapro::Index;
using Clock = std::chrono::steady_clock;
using Vit = examples::nn::Vit<float>;

struct Options {
  std::string method = "lora_pro_full";
  double learning_rate = 5.6e-3;
  Index rank = 4, batch_size = 64, train_size = 2000;
  int epochs = 8;
  std::uint64_t seed = 0;
  Index check_every = 0;
  std::filesystem::path fashion_dir = "/usr/share/datasets/fashion-mnist";
  std::filesystem::path base;
  bool smoke = false;
  examples::nn::VitConfig vit{28, 7, 64, 4, 4, 5};
};

/// Mean milliseconds of a step's parts.
struct Milliseconds {
  double compute = 0, reduce = 0, optimizer = 0, gather = 0;
};

double milliseconds_since(Clock::time_point started) {
  return std::chrono::duration<double, std::milli>(Clock::now() - started).count();
}

/// The part of `count` things that rank `rank` of `size` has.
std::array<Index, 2> part_of(Index count, int rank, int size) {
  const Index first = count * rank / size;
  return {first, count * (rank + 1) / size - first};
}

/// The accuracy, of which every rank measures a part.
double shared_accuracy(Vit& vit, const LabelledImages& images, int rank, int size) {
  const auto [first, count] = part_of(images.size(), rank, size);
  const auto part = examples::slice(images, first, count);
  long right = std::lround(examples::accuracy_on(vit, part, count) * static_cast<double>(count));
  MPI_Allreduce(MPI_IN_PLACE, &right, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
  return static_cast<double>(right) / static_cast<double>(images.size());
}

Vit made_model(const Options& options, examples::RandomEngine& engine) {
  Vit vit(options.vit);
  if (options.smoke) {
    vit.randomize(engine);
  } else {
    if (!std::filesystem::exists(options.base)) {
      throw examples::DataMissing(options.base.string() + ": there is no base");
    }
    examples::nn::load_parameters(vit, lorapro::io::SafetensorsReader(options.base));
  }
  return vit;
}

template <typename Rule>
void fine_tune(const Options& options, Method method, int rank, int size) {
  examples::RandomEngine engine(options.seed);
  Vit vit = made_model(options, engine);
  examples::nn::attach_adapters(
      vit,
      [&](std::size_t layer) {
        lorapro::LoraConfig config;
        config.rank = options.rank;
        config.seed = options.seed * 1000 + layer;
        return config;
      },
      [](const std::string& name) { return name.rfind("blocks.", 0) == 0; });
  vit.replace_head(5, engine);
  const auto all = examples::read_fashion_images(options.fashion_dir, "train", 5, 9);
  auto test = examples::read_fashion_images(options.fashion_dir, "t10k", 5, 9);
  if (options.smoke) test = examples::slice(test, 0, 256);
  auto rows = examples::permutation(all.size(), engine);
  rows.resize(static_cast<std::size_t>(std::min(options.train_size, all.size())));
  const auto images = examples::take(all, rows);

  const std::int64_t steps = options.epochs * (images.size() / options.batch_size);
  lorapro::OptimizerConfig config;
  config.group.lr = options.learning_rate;
  config.schedule = lorapro::LrSchedule::linear(steps / 10, steps);
  lorapro::mpi::DistributedConfig distributed;
  distributed.check_every = options.check_every;
  lorapro::mpi::DistributedOptimizer<float, Rule> optimizer(MPI_COMM_WORLD, config, distributed);
  // The pairs of block i are numbers first_pair[i] to first_pair[i + 1].
  std::vector<Index> first_pair{0};
  for (Index block = 0; block < options.vit.layers; ++block) {
    const std::string prefix = "blocks." + std::to_string(block) + ".";
    examples::nn::attach_to(optimizer, vit, {},
                            [&](const std::string& name) { return name.rfind(prefix, 0) == 0; });
    first_pair.push_back(optimizer.parameter_count());
  }
  examples::attach_head(optimizer, vit.head(), method);
  const Index head_parameters = optimizer.parameter_count() - first_pair.back();
  optimizer.distribute();

  examples::RowMatrixf grad_logits;
  Milliseconds sums;
  std::optional<examples::ProgressBar> bar;
  if (rank == 0) bar.emplace(steps).set_label(fmt::format("{} on {} ranks", options.method, size));
  const auto [own_first, own_count] = part_of(options.batch_size, rank, size);
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const auto order = examples::permutation(images.size(), engine);
    for (Index first = 0; first + options.batch_size <= images.size();
         first += options.batch_size) {
      const auto started = Clock::now();
      const auto begin = order.begin() + first + own_first;
      const auto batch = examples::take(images, {begin, begin + own_count});
      const double loss =
          examples::nn::softmax_cross_entropy(vit.forward(batch.pixels), batch.labels, grad_logits);
      vit.backward(grad_logits, [&](Index block) {
        if (block == options.vit.layers) {
          for (Index i = 0; i < head_parameters; ++i) optimizer.gradient_ready(lorapro::DenseId{i});
          return;
        }
        const auto i = static_cast<std::size_t>(block);
        for (Index pair = first_pair[i]; pair < first_pair[i + 1]; ++pair)
          optimizer.gradient_ready(lorapro::PairId{pair});
      });
      sums.compute += milliseconds_since(started);
      const auto report = optimizer.step();
      if (report.skipped() > 0) {
        throw lorapro::StateError("gradients are not finite: the learning rate is too large");
      }
      optimizer.zero_grad();
      sums.reduce += optimizer.times().reduce;
      sums.optimizer += optimizer.times().optimizer;
      sums.gather += optimizer.times().gather;
      if (bar) bar->advance(loss);
    }
  }
  bar.reset();
  optimizer.check_replicas();

  const double accuracy = shared_accuracy(vit, test, rank, size);
  const auto own_state = static_cast<std::uint64_t>(optimizer.state_bytes());
  std::vector<std::uint64_t> states(static_cast<std::size_t>(size));
  MPI_Gather(&own_state, 1, MPI_UINT64_T, states.data(), 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  if (rank != 0) return;
  const auto traffic = optimizer.traffic();
  const auto mean = [&](double sum) { return sum / static_cast<double>(steps); };
  fmt::print("{}: {} ranks, {} images each of a batch of {}, {} steps\n", options.method, size,
             own_count, options.batch_size, steps);
  fmt::print("accuracy on {} test images: {:.4f}\n", test.size(), accuracy);
  fmt::print(
      "bytes per step and rank: {} of gradients in {} bucket(s), {} of norms, {} of values; {:.0f} "
      "sent by ring algorithms\n",
      traffic.reduced, optimizer.bucket_count(), traffic.measured, traffic.gathered,
      traffic.ring_bytes_sent(size));
  fmt::print("state bytes per rank: {}\n", fmt::join(states, ", "));
  fmt::print("ms per step: compute {:.2f}, reduce {:.2f}, optimizer {:.2f}, gather {:.2f}\n",
             mean(sums.compute), mean(sums.reduce), mean(sums.optimizer), mean(sums.gather));
}

/// \return the exit code.
int run(const Options& options, int rank, int size) {
  try {
    const Method method = *examples::method_named(options.method);
    lorapro::visit_rule<float>(examples::info(method).rule, [&](auto tag) {
      fine_tune<typename decltype(tag)::Rule>(options, method, rank, size);
    });
  } catch (const examples::DataMissing& error) {
    if (rank == 0) {
      fmt::print(stderr,
                 "distributed_finetune: {} (Fashion-MNIST: apt-get install dataset-fashion-mnist; "
                 "the base: image_classification)\n",
                 error.what());
    }
    return examples::kExitDataMissing;
  }
  return 0;
}

std::vector<std::string> adapter_methods() {
  std::vector<std::string> names;
  for (const examples::MethodInfo& info : examples::kMethods)
    if (info.trains_adapters) names.emplace_back(info.name);
  return names;
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--method", options.method,
                 fmt::format("How to fine-tune: {}", fmt::join(adapter_methods(), ", ")))
      ->check(CLI::IsMember(adapter_methods()).description(""))
      ->type_name("METHOD")
      ->capture_default_str();
  app.add_option("--lr", options.learning_rate, "Learning rate")
      ->check(examples::in_range(1e-9, 1e3))
      ->capture_default_str();
  app.add_option("--rank", options.rank, "Rank of the adapters")
      ->check(examples::in_range(1, 4096))
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Images per step, of all ranks together")
      ->check(examples::in_range(1, 1e6))
      ->capture_default_str();
  app.add_option("--train-size", options.train_size, "Number of training images")
      ->check(examples::in_range(1, 1e9))
      ->capture_default_str();
  app.add_option("--epochs", options.epochs, "Passes over the training images")
      ->check(examples::in_range(1, 100000))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the head, the adapters and the order of images")
      ->capture_default_str();
  app.add_option("--check-every", options.check_every,
                 "Steps between two comparisons of the replicas; 0 for none but the last")
      ->check(examples::in_range(0, 1e9))
      ->capture_default_str();
  app.add_option("--fashion-dir", options.fashion_dir, "Folder with the files of Fashion-MNIST")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--base", options.base, "The base that image_classification has made")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--smoke", options.smoke, "Very little data and a random base, in a few seconds");
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, size = 1, code = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  Options options;
  options.base = examples::default_cache("image_classification_results/cache") /
                 "fashion_vit_64_30000_2.safetensors";
  CLI::App app("Fine-tunes an image classifier on several ranks of MPI.", "distributed_finetune");
  add_options(app, options);
  try {
    app.parse(argc, argv);
    if (options.batch_size % size != 0) {
      throw CLI::ValidationError("--batch-size", fmt::format("{} is not a multiple of {} ranks",
                                                             options.batch_size, size));
    }
    if (options.smoke) {
      options.vit.width = 16;
      options.vit.layers = 2;
      options.train_size = 256;
      options.epochs = 2;
      options.check_every = 1;
    }
    lorapro::mpi::abort_on_exception(MPI_COMM_WORLD, [&] { code = run(options, rank, size); });
  } catch (const CLI::ParseError& error) {
    // All ranks have the same command line.
    code = error.get_exit_code() == 0 ? 0 : 2;
    if (rank == 0) app.exit(error);
  }
  MPI_Finalize();
  return code;
}
