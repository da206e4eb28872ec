// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A model of several parameters on one rank, and gradients of samples that every rank can make.

#include <lorapro/adapters/mpi.hpp>
#include <lorapro/lorapro.hpp>

#include "support/pair_buffers.hpp"

namespace mpi_tests {

using namespace rule_battery;

inline int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}
inline int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/// The first `size` ranks of the world, on those ranks; MPI_COMM_NULL on the others.
class FirstRanks {
 public:
  explicit FirstRanks(int size) {
    MPI_Comm_split(MPI_COMM_WORLD, world_rank() < size ? 0 : MPI_UNDEFINED, 0, &handle_);
  }
  FirstRanks(const FirstRanks&) = delete;
  FirstRanks& operator=(const FirstRanks&) = delete;
  ~FirstRanks() {
    if (joined()) MPI_Comm_free(&handle_);
  }
  MPI_Comm handle() const { return handle_; }
  bool joined() const { return handle_ != MPI_COMM_NULL; }

 private:
  MPI_Comm handle_ = MPI_COMM_NULL;
};

constexpr Index kSamples = 12;  // divides by 1, 2, 3 and 4

/// Which parameters a model has.
struct Parts {
  std::size_t pairs = 4;
  bool coarse = true;  // in bfloat16, whose gradients round
  bool dense = true;
  bool merged_decay = false;  // of the first pair, in a group of its own
};

/// How gradients come: multiples of 2^-10, so that sums are exact in any order, or any numbers.
enum class Numbers { exact, any };

template <typename T>
struct Model {
  std::vector<PairBuffers<T>> pairs;
  PairBuffers<bfloat16> coarse{10, 14, 2, 0.5, 77};
  RowMatrix<T> vector = RowMatrix<T>::Constant(1, 33, T(0.25)), grad_vector = vector;
  RowMatrix<T> matrix = RowMatrix<T>::Constant(6, 10, T(0.5)), grad_matrix = matrix;
  RowMatrix<T> base = RowMatrix<T>::Constant(24, 17, T(0.75));
  Parts parts;

  explicit Model(const Parts& p = {}) : parts(p) {
    constexpr Index kShapes[][3] = {{24, 17, 3}, {9, 40, 2}, {12, 8, 2}, {30, 30, 5}};
    for (std::size_t i = 0; i < parts.pairs; ++i)
      pairs.emplace_back(kShapes[i % 4][0], kShapes[i % 4][1], kShapes[i % 4][2], 0.5, 5 + i, 0.5);
  }

  template <typename Optimizer>
  void attach(Optimizer& optimizer) {
    lorapro::GroupId first{};
    if (parts.merged_decay) {
      lorapro::GroupConfig group = optimizer_of(optimizer).group();
      group.weight_decay = 0.1;
      group.decay_target = lorapro::DecayTarget::merged;
      first = optimizer.add_group(group);
    }
    if (parts.dense)
      optimizer.attach(lorapro::DenseView<T>{vector.data(), grad_vector.data(), 33}, {}, "vector");
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      auto view = pairs[i].view();
      if (i == 0 && parts.merged_decay) view.base_weight = base.data();
      optimizer.attach(view, i == 0 ? first : lorapro::GroupId{});
    }
    if (parts.coarse) optimizer.attach(coarse.view(), {}, "coarse");
    if (parts.dense)
      optimizer.attach(lorapro::DenseView<T>{matrix.data(), grad_matrix.data(), 60, 10});
  }

  /// Calls f(matrix) for every gradient.
  template <typename F>
  void for_each_gradient(const F& f) {
    for (auto& pair : pairs) {
      f(pair.grad_A);
      f(pair.grad_B);
    }
    if (parts.coarse) {
      f(coarse.grad_A);
      f(coarse.grad_B);
    }
    if (parts.dense) {
      f(grad_vector);
      f(grad_matrix);
    }
  }

  /// Gradients become the sum over samples [first, first + count), divided by `divisor`.
  void set_gradients(int step, Index first, Index count, Numbers numbers, double divisor = 1) {
    std::uint64_t number = 0;
    for_each_gradient([&](auto& gradient) {
      using Stored = typename std::decay_t<decltype(gradient)>::Scalar;
      ++number;
      for (Index i = 0; i < gradient.size(); ++i) {
        double sum = 0;
        for (Index sample = first; sample < first + count; ++sample) {
          const auto key =
              lorapro::derive_key(lorapro::derive_key(number, static_cast<std::uint64_t>(step)),
                                  static_cast<std::uint64_t>(sample));
          const double value = lorapro::random_normal(key, static_cast<std::uint64_t>(i));
          // Few bits, for bfloat16 holds 8.
          constexpr double kUnit = std::is_same_v<Stored, bfloat16> ? 4 : 1024;
          sum += numbers == Numbers::exact ? std::round(kUnit * value) / kUnit : value;
        }
        gradient.data()[i] = static_cast<Stored>(static_cast<T>(sum / divisor));
      }
    });
  }

  bool same(const Model& other) const {
    bool all = same_parameters(coarse, other.coarse) && same_bits(vector, other.vector) &&
               same_bits(matrix, other.matrix) && same_bits(base, other.base);
    for (std::size_t i = 0; i < pairs.size(); ++i)
      all = all && same_parameters(pairs[i], other.pairs[i]);
    return all;
  }

  /// Largest difference of a parameter's element.
  double distance(const Model& other) const {
    double largest = 0;
    const auto compare = [&](const auto& a, const auto& b) {
      largest = std::max<double>(largest, (a - b).cwiseAbs().maxCoeff());
    };
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      compare(pairs[i].A, other.pairs[i].A);
      compare(pairs[i].B, other.pairs[i].B);
    }
    compare(vector, other.vector);
    compare(matrix, other.matrix);
    return largest;
  }

 private:
  template <typename Rule>
  static auto& optimizer_of(lorapro::Optimizer<T, Rule>& optimizer) {
    return optimizer;
  }
  template <typename Rule>
  static auto& optimizer_of(lorapro::mpi::DistributedOptimizer<T, Rule>& optimizer) {
    return optimizer.local();
  }
};

/// Samples of one rank out of `size`.
inline Index share_of(int size) { return kSamples / size; }

/// Options with everything on: clipping, decay, a schedule.
inline lorapro::OptimizerConfig options() {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.01;
  config.group.weight_decay = 0.05;
  config.group.clip_norm = lorapro::ClipNorm::adapter;
  config.group.max_grad_norm = 2;
  config.schedule = lorapro::LrSchedule::cosine(2, 20);
  config.seed = 11;
  return config;
}

}  // namespace mpi_tests
