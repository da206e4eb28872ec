// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A training with everything that a checkpoint has to carry, and the resume of one in another
/// process.

#include <lorapro/io/checkpoint.hpp>
#include <lorapro/lorapro.hpp>

#include <cstdlib>  // std::getenv, std::system
#include <random>   // std::mt19937_64

#include "support/rule_battery.hpp"
#include "support/scratch_folder.hpp"

namespace checkpoint_training {

using namespace rule_battery;
using lorapro::half;

/// Pairs with and without masters, W0 under merged decay, a vector and a matrix, two groups, a
/// schedule, clipping, and a pair that is skipped in some steps.
template <typename Scalar>
struct Training {
  PairBuffers<Scalar> first{24, 17, 3, 0.5, 1};
  PairBuffers<bfloat16> second{9, 40, 2, 2.0, 2, 0.0};
  PairBuffers<half> third{12, 8, 2, 1.0, 3};
  RowMatrix<Scalar> base = RowMatrix<Scalar>::Constant(24, 17, Scalar(0.75));
  RowMatrix<Scalar> matrix = RowMatrix<Scalar>::Constant(6, 10, Scalar(0.5));
  RowMatrix<Scalar> grad_matrix = RowMatrix<Scalar>::Zero(6, 10);
  RowMatrix<bfloat16> vector = RowMatrix<bfloat16>::Constant(1, 33, bfloat16(0.25F));
  RowMatrix<bfloat16> grad_vector = RowMatrix<bfloat16>::Zero(1, 33);
  std::mt19937_64 engine{5};
  BaseOptimizer<Scalar> optimizer;

  Training(const RuntimeRule<Scalar>& rule, int threads) : optimizer(rule, options(threads)) {
    lorapro::GroupConfig merged;
    merged.lr = 0.02;
    merged.weight_decay = 0.1;
    merged.decay_target = lorapro::DecayTarget::merged;
    merged.clip_norm = lorapro::ClipNorm::adapter;
    merged.max_grad_norm = 0.5;
    attach_first(optimizer.add_group(merged));
    optimizer.attach(second.view(), {}, "second");
    attach_rest();
  }

  /// One that is to be resumed: other options, other parameters, attached in another order.
  struct Empty {};
  Training(const RuntimeRule<Scalar>& rule, int threads, Empty)
      : optimizer(rule, only_threads(threads)) {
    attach_rest();
    optimizer.attach(second.view(), {}, "second");
    attach_first(optimizer.add_group({}));
    engine.seed(99);
    first.A.setZero();
    second.B.setZero();
    third.A.setZero();
    base.setZero();
    matrix.setZero();
    vector.setZero();
  }

  static lorapro::OptimizerConfig only_threads(int threads) {
    lorapro::OptimizerConfig config;
    config.threads = threads;
    return config;
  }
  static lorapro::OptimizerConfig options(int threads) {
    lorapro::OptimizerConfig config = only_threads(threads);
    config.group.lr = 0.01;
    config.group.weight_decay = 0.05;
    config.beta1 = 0.8;
    config.beta2 = 0.95;
    config.eps = 1e-6;
    config.damping = 0.05;
    config.gauge = lorapro::Gauge::balanced;
    config.schedule = lorapro::LrSchedule::cosine(2, 9);
    config.seed = 0xfedcba9876543210U;
    return config;
  }

  void attach_first(lorapro::GroupId group) {
    auto view = first.view();
    view.base_weight = base.data();
    optimizer.attach(view, group, "first");
  }
  void attach_rest() {
    optimizer.attach(third.view(), {}, "third");
    optimizer.attach(lorapro::DenseView<Scalar>{matrix.data(), grad_matrix.data(), 60, 10}, {},
                     "matrix");
    optimizer.attach(lorapro::DenseView<bfloat16>{vector.data(), grad_vector.data(), 33}, {},
                     "vector");
  }

  void train(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto draw = [&](auto& gradient) {
        using T = typename std::decay_t<decltype(gradient)>::Scalar;
        for (Index k = 0; k < gradient.size(); ++k)
          gradient.data()[k] = static_cast<T>(static_cast<float>(engine() >> 40) * 0x1p-24F - 0.5F);
      };
      draw(first.grad_A);
      draw(first.grad_B);
      draw(second.grad_A);
      draw(second.grad_B);
      draw(third.grad_A);
      draw(third.grad_B);
      draw(grad_matrix);
      draw(grad_vector);
      const bool skipped = optimizer.step_count() % 3 == 1;
      if (skipped) third.grad_A(0, 0) = std::numeric_limits<half>::quiet_NaN();
      const auto report = optimizer.step();
      REQUIRE(report.updated == (skipped ? 4 : 5));
      optimizer.zero_grad();
    }
  }

  lorapro::io::CheckpointWriter checkpoint() {
    lorapro::io::CheckpointWriter writer;
    writer.add("optimizer", optimizer);
    writer.add_generator("gradients", engine);
    return writer;
  }
  void load(const std::filesystem::path& path) {
    const lorapro::io::CheckpointReader reader(path);
    reader.load("optimizer", optimizer);
    reader.load_generator("gradients", engine);
  }

  Snapshot snapshot() {
    Snapshot all = state_of(optimizer);
    const auto add = [&](const char* name, const auto& matrix_) {
      const auto* const bytes = reinterpret_cast<const unsigned char*>(matrix_.data());
      all[name].assign(bytes,
                       bytes + static_cast<std::size_t>(matrix_.size()) * sizeof(*matrix_.data()));
    };
    add("A1", first.A);
    add("B1", first.B);
    add("A2", second.A);
    add("B2", second.B);
    add("A3", third.A);
    add("B3", third.B);
    add("W0", base);
    add("M", matrix);
    add("v", vector);
    const std::uint64_t next = std::mt19937_64(engine)();
    all["engine"].assign(reinterpret_cast<const unsigned char*>(&next),
                         reinterpret_cast<const unsigned char*>(&next) + sizeof next);
    return all;
  }
};

/// Every rule and every kind of moments that Scalar has.
template <typename Scalar>
std::map<std::string, const RuntimeRule<Scalar>*> all_rules() {
  std::map<std::string, const RuntimeRule<Scalar>*> rules;
  for (const std::string& name : lorapro::rule_names())
    rules[name] = &lorapro::runtime_rule<Scalar>(name);
  using Coarse = lorapro::LoraPro<lorapro::FullMoments<bfloat16>>;
  rules["full_bfloat16"] = &lorapro::runtime_rule<Scalar, Coarse>();
  return rules;
}

inline std::filesystem::path path_of(const std::filesystem::path& folder, const std::string& rule,
                                     int threads, const char* what) {
  return folder / (rule + "_" + std::to_string(threads) + what);
}

constexpr int kSteps = 9, kStepsBefore = 4;
constexpr const char* kFolderVariable = "LORAPRO_TEST_CHECKPOINTS";

/// In the second process: resumes what it finds in the folder, with each number of threads.
template <typename Scalar>
void resume_all(const std::filesystem::path& folder) {
  for (const auto& [rule_name, rule] : all_rules<Scalar>())
    for (const int saved : {1, 2})
      for (const int threads : {1, 2}) {
        using T = Training<Scalar>;
        T training(*rule, threads, typename T::Empty{});
        training.load(path_of(folder, rule_name, saved, ".checkpoint"));
        training.train(kSteps - kStepsBefore);
        const Snapshot all = training.snapshot();
        lorapro::io::SafetensorsWriter file;
        for (const auto& [name, bytes] : all) {
          const auto* const values = &bytes;
          file.add(name, lorapro::io::Dtype::u8, {bytes.size()},
                   [values](lorapro::io::TensorSink& sink) {
                     sink.write_bytes(values->data(), values->size());
                   });
        }
        file.write(path_of(folder, rule_name, 10 * saved + threads, ".result"));
      }
}

/// Trains, saves, has another process of this program go on, and compares bit for bit with a
/// training that was not interrupted. The other process runs the test case of the tag `worker`,
/// which calls resume_all.
template <typename Scalar>
void check_resume(const std::string& worker) {
  const ScratchFolder folder;
  for (const auto& [rule_name, rule] : all_rules<Scalar>())
    for (const int threads : {1, 2}) {
      Training<Scalar> training(*rule, threads);
      training.train(kStepsBefore);
      training.checkpoint().write(path_of(folder.path(), rule_name, threads, ".checkpoint"));
    }
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = std::string(kFolderVariable) + "='" + folder.path().string() + "' '" +
                              program + "' '" + worker + "' >'" +
                              (folder.path() / "output").string() + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  for (const auto& [rule_name, rule] : all_rules<Scalar>()) {
    Training<Scalar> whole(*rule, 1);
    whole.train(kSteps);
    const Snapshot expected = whole.snapshot();
    for (const int which : {11, 12, 21, 22}) {
      INFO(rule_name << " " << which);
      const lorapro::io::SafetensorsReader file(
          path_of(folder.path(), rule_name, which, ".result"));
      REQUIRE(file.tensors().size() == expected.size());
      for (const auto& [name, bytes] : expected) {
        std::vector<unsigned char> came(bytes.size());
        const auto& tensor = file.at(name, {bytes.size()});
        file.read_bytes(tensor, 0, came.size(), came.data());
        if (came != bytes) FAIL_CHECK(name);
      }
    }
  }
}

}  // namespace checkpoint_training
