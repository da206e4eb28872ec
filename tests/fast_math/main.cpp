// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// What -ffast-math must not change: the tests for NaN and infinity, and results beyond rounding.
/// `program write FILE` writes what this build computes, `program compare FILE` compares with it:
/// counts have to be equal, numbers close. What must hold in every build is checked in both. No
/// number that may not be finite is looked at but by its bits.
#include <lorapro/lorapro.hpp>

#include <cmath>    // std::sqrt, std::abs
#include <cstdio>   // std::printf
#include <cstring>  // std::memcpy, std::memcmp
#include <fstream>  // std::ifstream, std::ofstream
#include <memory>   // std::unique_ptr
#include <string>   // std::string
#include <vector>   // std::vector

namespace {

using lorapro::bfloat16;
using lorapro::Index;
using lorapro::RowMatrix;

int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

/// What a build computes, by name.
struct Result {
  std::string name;
  bool is_count;
  double value;
};
std::vector<Result> results;

void count(const std::string& name, Index value) {
  results.push_back({name, true, static_cast<double>(value)});
}
template <typename Matrix>
void numbers(const std::string& name, const Matrix& matrix) {
  for (Index i = 0; i < matrix.size(); ++i)
    results.push_back({name, false, static_cast<double>(matrix.data()[i])});
}

/// \name Numbers from bits that the optimiser does not know
/// @{
template <typename T, typename Bits>
T opaque(Bits bits) {
  volatile Bits hidden = bits;
  const Bits shown = hidden;
  T value;
  std::memcpy(static_cast<void*>(&value), &shown, sizeof value);
  return value;
}
struct Special {
  const char* name;
  std::uint64_t of_double;
  std::uint32_t of_float;  // the upper half is that of bfloat16
};
constexpr Special kSpecials[] = {{"NaN", 0x7ff8000000000000ULL, 0x7fc00000U},
                                 {"-NaN", 0xfff8000000000001ULL, 0xffc10000U},
                                 {"infinity", 0x7ff0000000000000ULL, 0x7f800000U},
                                 {"-infinity", 0xfff0000000000000ULL, 0xff800000U}};
void set(double& value, const Special& special) { value = opaque<double>(special.of_double); }
void set(float& value, const Special& special) { value = opaque<float>(special.of_float); }
void set(bfloat16& value, const Special& special) {
  value = opaque<bfloat16>(static_cast<std::uint16_t>(special.of_float >> 16));
}
/// @}

template <typename Matrix>
bool finite(const Matrix& matrix) {
  using T = typename Matrix::Scalar;
  using Bits = std::conditional_t<sizeof(T) == 2, std::uint16_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>;
  constexpr auto kExponent = static_cast<Bits>(sizeof(T) == 2   ? 0x7f80
                                               : sizeof(T) == 4 ? 0x7f800000
                                                                : 0x7ff0000000000000);
  const volatile Bits* const bits = reinterpret_cast<const volatile Bits*>(matrix.data());
  for (Index i = 0; i < matrix.size(); ++i)
    if ((bits[i] & kExponent) == kExponent) return false;
  return true;
}

/// The same numbers in [-1, 1) in every build.
class Random {
 public:
  template <typename T>
  RowMatrix<T> matrix(Index rows, Index cols, double size) {
    RowMatrix<T> out(rows, cols);
    for (Index i = 0; i < out.size(); ++i)
      out.data()[i] = static_cast<T>(
          static_cast<float>(size * (2 * lorapro::random_uniform(7, counter_++) - 1)));
    return out;
  }

 private:
  std::uint64_t counter_ = 0;
};

/// A pair that is trained towards a target: L = |s B A - T|^2 / 2.
template <typename T>
struct Pair {
  static constexpr Index kOut = 12, kIn = 20, kRank = 4;
  explicit Pair(Random& random)
      : A(random.matrix<T>(kRank, kIn, 0.3)),
        B(random.matrix<T>(kOut, kRank, 0.3)),
        grad_A(kRank, kIn),
        grad_B(kOut, kRank),
        target(random.matrix<double>(kOut, kIn, 1.0)) {}
  auto view() {
    return lorapro::row_major_view(A.data(), B.data(), grad_A.data(), grad_B.data(), kOut, kIn,
                                   kRank, 2.0);
  }
  double fit() {
    const RowMatrix<double> a = A.template cast<double>(), b = B.template cast<double>();
    const RowMatrix<double> G = 2.0 * b * a - target;
    grad_A = (2.0 * b.transpose() * G).template cast<T>();
    grad_B = (2.0 * G * a.transpose()).template cast<T>();
    return G.squaredNorm() / 2;
  }
  RowMatrix<T> A, B, grad_A, grad_B;
  RowMatrix<double> target;
};

template <typename Scalar, typename T, typename Rule>
struct Training {
  explicit Training(lorapro::ClipNorm clip)
      : first(random), second(random), head(random.matrix<Scalar>(1, 7, 1.0)) {
    grad_head = head;
    lorapro::OptimizerConfig config;
    config.group.lr = 1e-2;
    config.group.weight_decay = 0.1;
    config.group.clip_norm = clip;
    optimizer = std::make_unique<lorapro::Optimizer<Scalar, Rule>>(config);
    optimizer->attach(first.view());
    optimizer->attach(second.view());
    optimizer->attach(lorapro::DenseView<Scalar>{head.data(), grad_head.data(), head.size()});
  }
  double fit() {
    grad_head = head;
    return first.fit() + second.fit();
  }
  bool is_finite() const {
    return finite(first.A) && finite(first.B) && finite(second.A) && finite(second.B) &&
           finite(head);
  }
  Random random;
  Pair<T> first, second;
  RowMatrix<Scalar> head, grad_head;
  std::unique_ptr<lorapro::Optimizer<Scalar, Rule>> optimizer;
};

template <typename Scalar, typename T, typename Rule>
void steps(const std::string& name, lorapro::ClipNorm clip) {
  using Training = ::Training<Scalar, T, Rule>;
  {
    Training training(clip);
    const double before = training.fit();
    for (int step = 0; step < 10; ++step) {
      training.fit();
      count(name + ": updated", training.optimizer->step().updated);
    }
    check(training.is_finite() && training.fit() < before, name + ": descends");
    numbers(name + ": A", training.first.A);
    numbers(name + ": B", training.first.B);
    numbers(name + ": dense", training.head);
  }
  for (const Special& special : kSpecials)
    for (int place = 0; place < 5; ++place) {
      Training training(clip);
      for (int step = 0; step < 2; ++step) {
        training.fit();
        (void)training.optimizer->step();
      }
      training.fit();
      const char* const places[] = {"grad_A", "grad_B", "lora_A", "lora_B", "dense"};
      T saved{};
      T* const at[] = {&training.first.grad_A(1, 2), &training.first.grad_B(3, 1),
                       &training.first.A(3, 19), &training.first.B(0, 0)};
      if (place < 4) {
        saved = *at[place];
        set(*at[place], special);
      } else {
        set(training.grad_head(0, 6), special);
      }
      const std::string what = name + ", " + special.name + " in " + places[place];
      const RowMatrix<Scalar> head = training.head;
      const RowMatrix<T> B = training.first.B;
      const lorapro::StepReport report = training.optimizer->step();
      check(report.skipped_non_finite == 1 && report.updated == 2, what + ": is skipped");
      check(std::memcmp(place == 4 ? static_cast<const void*>(head.data()) : B.data(),
                        place == 4 ? static_cast<const void*>(training.head.data())
                                   : training.first.B.data(),
                        place == 4 ? sizeof(Scalar) * 7 : sizeof(T) * Pair<T>::kOut) == 0,
            what + ": is left as it was");
      if (place < 4) *at[place] = saved;
      for (int step = 0; step < 3; ++step) {
        training.fit();
        check(training.optimizer->step().updated == 3, what + ": goes on");
      }
      check(training.is_finite(), what + ": stays finite");
    }
  // Too large for the squares of a second moment, and so small that processors may flush it to 0.
  for (const double scale : {1e30, 1e-30, 1e-42}) {
    Training training(clip);
    training.fit();
    training.first.grad_A =
        (training.first.grad_A.template cast<double>() * scale).template cast<T>();
    training.first.grad_B =
        (training.first.grad_B.template cast<double>() * scale).template cast<T>();
    const lorapro::StepReport report = training.optimizer->step();
    if (scale > 1) count(name + ": overflows", report.skipped_overflow);
    check(report.skipped_non_finite == 0 && training.is_finite(),
          name + ", gradients times " + std::to_string(scale));
  }
}

template <typename Rule>
void rule(const std::string& name) {
  steps<float, float, Rule>(name + ", float", lorapro::ClipNorm::adapter);
  steps<float, bfloat16, Rule>(name + ", bfloat16", lorapro::ClipNorm::none);
}

template <typename F>
void refuses(const std::string& what, const F& f) {
  try {
    f();
  } catch (const lorapro::ConfigError&) {
    return;
  }
  check(false, what + " is refused");
}

void options() {
  for (const Special& special : kSpecials) {
    const auto group = [&](double lorapro::GroupConfig::*field, const char* name) {
      refuses(std::string(special.name) + " as " + name, [&] {
        lorapro::GroupConfig config;
        set(config.*field, special);
        config.validate();
      });
    };
    group(&lorapro::GroupConfig::lr, "lr");
    group(&lorapro::GroupConfig::loraplus_lr_ratio, "loraplus_lr_ratio");
    group(&lorapro::GroupConfig::weight_decay, "weight_decay");
    group(&lorapro::GroupConfig::max_grad_norm, "max_grad_norm");
    const auto whole = [&](double lorapro::OptimizerConfig::*field, const char* name) {
      refuses(std::string(special.name) + " as " + name, [&] {
        lorapro::OptimizerConfig config;
        set(config.*field, special);
        config.validate();
      });
    };
    whole(&lorapro::OptimizerConfig::beta2, "beta2");
    whole(&lorapro::OptimizerConfig::eps, "eps");
    whole(&lorapro::OptimizerConfig::damping, "damping");
    refuses(std::string(special.name) + " as beta1", [&] {
      lorapro::OptimizerConfig config;
      double beta1;
      set(beta1, special);
      config.beta1 = beta1;
      config.validate();
    });
    refuses(std::string(special.name) + " as max_relative_move", [&] {
      lorapro::OptimizerConfig config;
      double move;
      set(move, special);
      config.max_relative_move = move;
      config.validate();
    });
    for (double lorapro::LoraConfig::*const field :
         {&lorapro::LoraConfig::lora_alpha, &lorapro::LoraConfig::lora_dropout})
      refuses(std::string(special.name) + " in LoraConfig", [&] {
        lorapro::LoraConfig config;
        set(config.*field, special);
        config.validate();
      });
    refuses(std::string(special.name) + " as loss_scale", [&] {
      lorapro::Optimizer<float, lorapro::AdamWRule> optimizer;
      lorapro::StepScale scale;
      set(scale.loss_scale, special);
      (void)optimizer.step(scale);
    });
    refuses(std::string(special.name) + " as scaling", [&] {
      Random random;
      Pair<float> pair(random);
      auto view = pair.view();
      set(view.scaling, special);
      lorapro::Optimizer<float, lorapro::AdamWRule>().attach(view);
    });
  }
}

void weights() {
  Random random;
  const RowMatrix<float> sound = random.matrix<float>(5, 70, 1.0);
  for (const Special& special : kSpecials) {
    RowMatrix<float> weight = sound;
    set(weight(2, 33), special);
    refuses(std::string(special.name) + " in nf4", [&] { lorapro::Nf4Weight::quantize(weight); });
    refuses(std::string(special.name) + " in int8", [&] { lorapro::Int8Weight::quantize(weight); });
    refuses(std::string(special.name) + " in bfloat16",
            [&] { lorapro::BaseWeight<bfloat16>::quantize(weight); });
  }
  RowMatrix<float> decoded(5, 70);
  for (const double scale : {1.0, 1e-36, 1e-42}) {
    const RowMatrix<float> weight = (sound.cast<double>() * scale).cast<float>();
    const std::string name = "weights times " + std::to_string(scale);
    lorapro::Nf4Weight::quantize(weight).decode(0, 5, 0, 70, decoded.data(), 70);
    check(finite(decoded), name + ": nf4 is finite");
    if (scale == 1.0) numbers(name + ": nf4", decoded);
    lorapro::Int8Weight::quantize(weight).decode(0, 5, 0, 70, decoded.data(), 70);
    check(finite(decoded), name + ": int8 is finite");
    if (scale == 1.0) numbers(name + ": int8", decoded);
  }
}

void kernels() {
  Random random;
  Pair<float> pair(random);
  pair.fit();
  RowMatrix<float> dA = pair.grad_A, dB = pair.grad_B;
  const auto adjust = [&] {
    return lorapro::adjust_gradient(lorapro::lora_factors(pair.A, pair.B, 2.0),
                                    lorapro::factor_pair(pair.grad_A, pair.grad_B),
                                    lorapro::factor_pair(dA, dB))
        .status;
  };
  check(adjust() == lorapro::AdjustStatus::ok, "adjust_gradient: ok");
  numbers("adjust_gradient: dA", dA);
  numbers("adjust_gradient: dB", dB);
  const auto norm = [&] {
    return lorapro::equivalent_gradient_norm(lorapro::lora_factors(pair.A, pair.B, 2.0),
                                             lorapro::factor_pair(dA, dB));
  };
  check(lorapro::is_finite(norm()), "equivalent_gradient_norm is finite");
  // W0 + s B A of equal columns of A, where the exact projection divides by nothing.
  pair.B.col(1) = pair.B.col(0);
  check(adjust() == lorapro::AdjustStatus::rank_deficient, "adjust_gradient: rank deficient");
  check(finite(dA) && finite(dB), "adjust_gradient: finite");
  for (const Special& special : kSpecials) {
    const RowMatrix<float> saved = pair.grad_A, before = dA;
    set(pair.grad_A(0, 5), special);
    check(adjust() == lorapro::AdjustStatus::non_finite,
          std::string("adjust_gradient: ") + special.name);
    check(finite(dA) && dA == before, "adjust_gradient: nothing is written");
    pair.grad_A = saved;
    set(dA(0, 5), special);
    check(!lorapro::is_finite(norm()), std::string("equivalent_gradient_norm: ") + special.name);
    dA = before;
  }

  // An eigendecomposition of any size.
  for (const Index size : {1, 4, 33}) {
    const RowMatrix<double> half = random.matrix<double>(size, size, 1.0);
    RowMatrix<double> matrix = half * half.transpose(), vectors(size, size);
    Eigen::VectorXd values(size), scratch(lorapro::symmetric_eigen_scratch(size));
    RowMatrix<double> work = matrix;
    check(
        lorapro::symmetric_eigen(work.data(), size, values.data(), vectors.data(), scratch.data()),
        "symmetric_eigen settles");
    const RowMatrix<double> back = vectors.transpose() * values.asDiagonal() * vectors;
    check((back - matrix).norm() <= 1e-12 * matrix.norm(), "symmetric_eigen is right");
    for (const Special& special : kSpecials) {
      work = matrix;
      set(work(size - 1, 0), special);
      check(!lorapro::symmetric_eigen(work.data(), size, values.data(), vectors.data(),
                                      scratch.data()),
            std::string("symmetric_eigen: ") + special.name);
    }
  }
}

void write(const char* path) {
  std::ofstream file(path);
  char text[64];
  for (const Result& result : results) {
    std::snprintf(text, sizeof text, "%.17g", result.value);
    file << text << '\n';
  }
  check(file.good(), "the file is written");
}

/// Rounding that differs is amplified by ten steps that divide by roots and eigenvalues.
void compare(const char* path) {
  std::ifstream file(path);
  double largest = 0;
  for (const Result& result : results) {
    double expected = 0;
    if (!(file >> expected)) return check(false, "the file has the same results");
    const double difference = std::abs(result.value - expected);
    // Those of bfloat16 may fall to the other side of a tie.
    const double bound = result.is_count ? 0
                         : result.name.find("bfloat16") != std::string::npos
                             ? 0.02 * (std::abs(expected) + 1)
                             : 2e-3 * (std::abs(expected) + 1);
    check(difference <= bound, result.name + ": expected " + std::to_string(expected) + ", got " +
                                   std::to_string(result.value));
    if (!result.is_count && bound < 0.01) largest = std::max(largest, difference);
  }
  std::printf("largest difference %.2g\n", largest);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace lorapro;
  rule<SgdRule>("sgd");
  rule<AdamWRule>("adamw");
  rule<MuonRule>("muon");
  rule<LoraPro<NoMoments>>("none");
  rule<LoraPro<AdapterMoments>>("adapter");
  rule<LoraPro<FactoredMoments>>("factored");
  rule<LoraPro<SpectralMoments>>("spectral");
  rule<LoraPro<FullMoments<float>>>("full");
  steps<double, double, LoraPro<SpectralMoments>>("spectral, double",
                                                  ClipNorm::equivalent_gradient);
  options();
  weights();
  kernels();
  if (argc == 3 && std::string(argv[1]) == "write") {
    write(argv[2]);
  } else if (argc == 3 && std::string(argv[1]) == "compare") {
    compare(argv[2]);
  }
  std::printf("%d failed, %zu results\n", failures, results.size());
  return failures == 0 ? 0 : 1;
}
