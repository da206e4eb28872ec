// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/lorapro.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "reference_file.hpp"

namespace example {

/// The numbers of a tensor that has to be there in this shape, row-major.
inline std::vector<double> numbers(const SafetensorsReader& file, const std::string& name,
                                   const std::vector<lorapro::Index>& shape) {
  const auto& tensor = file.at(name, {shape.begin(), shape.end()});
  std::vector<double> values(static_cast<std::size_t>(tensor.count()));
  file.read(tensor, values.data());
  return values;
}

/// A reference trajectory: a start, full gradients that do not depend on the trajectory, and the
/// factors after each step. tests/golden/README.md describes the file.
struct Trajectory {
  using Matrix = lorapro::RowMatrix<double>;

  explicit Trajectory(const std::string& path) {
    const SafetensorsReader file(path);
    const auto number = [&](const char* key) { return metadata_number(file, key); };
    out_features = metadata_size(file, "m");
    in_features = metadata_size(file, "n");
    rank = metadata_size(file, "r");
    const lorapro::Index steps = metadata_size(file, "steps");
    mode = file.metadata("mode");
    const bool of_paper = mode == "sgd" || mode == "adamw_efficient" || mode == "adamw_full";
    if (!of_paper && !is_rule(mode)) fail(file, "has the unknown mode " + mode);
    scaling = number("s");
    config.group.lr = number("lr");
    config.group.weight_decay = mode == "sgd" ? 0.0 : number("wd");
    if (mode == "adamw_full") config.group.decay_target = lorapro::DecayTarget::merged;
    const auto has = [&](const char* key) { return file.metadata().count(key) != 0; };
    if (has("beta1")) config.beta1 = number("beta1");
    split_decay = has("decay") && file.metadata("decay") == "split";
    if (has("warmup")) warmup = static_cast<int>(number("warmup"));
    if (has("beta2")) config.beta2 = number("beta2");
    if (has("eps")) config.eps = number("eps");
    if (has("betas")) {
      const auto betas = nlohmann::json::parse(file.metadata("betas"), nullptr, false);
      if (!betas.is_array() || betas.size() != 2 || !betas[0].is_number() || !betas[1].is_number())
        fail(file, "has betas that are not two numbers");
      config.beta1 = betas[0];
      config.beta2 = betas[1];
    }
    if (has("clip") && number("clip") > 0) {
      config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
      config.group.max_grad_norm = number("clip");
    }
    // The library has no full gradient to take them from.
    if (has("energy")) reproduced = file.metadata("energy") != "gradient";
    config.damping = has("rho") ? number("rho") : 0;
    if (of_paper) {
      const std::string& xmode = file.metadata("xmode");
      config.gauge = xmode == "zero"        ? lorapro::Gauge::zero
                     : xmode == "sylvester" ? lorapro::Gauge::sylvester
                                            : lorapro::Gauge::balanced;
      // pinv(S + delta I) and a gauge with the wrong inverse: what the library does not reproduce.
      reproduced = number("delta") == 0 && xmode != "symmetry_official";
    }

    lora_A.push_back(matrix(numbers(file, "A0", {rank, in_features}), 0, rank, in_features));
    lora_B.push_back(matrix(numbers(file, "B0", {out_features, rank}), 0, out_features, rank));
    const auto G = numbers(file, "G", {steps, out_features, in_features});
    const auto A = numbers(file, "A", {steps, rank, in_features});
    const auto B = numbers(file, "B", {steps, out_features, rank});
    for (lorapro::Index t = 0; t < steps; ++t) {
      full_grad.push_back(matrix(G, t, out_features, in_features));
      lora_A.push_back(matrix(A, t, rank, in_features));
      lora_B.push_back(matrix(B, t, out_features, rank));
    }
    base_weight =
        file.find("W0") != nullptr
            ? matrix(numbers(file, "W0", {out_features, in_features}), 0, out_features, in_features)
            : Matrix(Matrix::Zero(out_features, in_features));
  }

  /// Of another paper than LoRA-Pro's.
  static bool is_rule(const std::string& mode) {
    return mode == "scaled_gd" || mode == "scaled_adamw" || mode == "lora_fa" ||
           mode == "lora_muon" || mode == "imuon" || mode == "reflora" || mode == "reflora_s" ||
           mode == "altlora" || mode == "altlora_plus" || mode == "adaprelora" ||
           mode == "lora_rite" || mode == "loft";
  }

  static Matrix matrix(const std::vector<double>& values, lorapro::Index number,
                       lorapro::Index rows, lorapro::Index cols) {
    return Eigen::Map<const Matrix>(values.data() + number * rows * cols, rows, cols);
  }

  lorapro::Index out_features = 0, in_features = 0, rank = 0;
  double scaling = 1;
  std::string mode;
  bool reproduced = true;
  bool split_decay = false;  // of lora_muon
  int warmup = 0;            // of reflora and reflora_s
  lorapro::OptimizerConfig config;
  std::vector<Matrix> full_grad;       // of steps 1, 2, ...
  std::vector<Matrix> lora_A, lora_B;  // the start, then after each step
  Matrix base_weight;
};

/// Largest deviation of a trajectory's moves from the reference's, each from its own start,
/// relative to the reference's move; the larger of A and B. NaN if a step was skipped.
class Deviation {
 public:
  explicit Deviation(const Trajectory& reference) : reference_(&reference) {}

  template <typename Scalar>
  void add(std::size_t step, const lorapro::RowMatrix<Scalar>& lora_A,
           const lorapro::RowMatrix<Scalar>& lora_B) {
    if (step == 0) {
      start_A_ = lora_A.template cast<double>();
      start_B_ = lora_B.template cast<double>();
      return;
    }
    add(lora_A.template cast<double>() - start_A_, reference_->lora_A, step);
    add(lora_B.template cast<double>() - start_B_, reference_->lora_B, step);
  }

  double value() const { return value_; }

 private:
  using Matrix = Trajectory::Matrix;

  void add(const Matrix& move, const std::vector<Matrix>& reference, std::size_t step) {
    const Matrix expected = reference[step] - reference[0];
    const double scale = std::max(expected.norm(), 1e-6 * (1 + reference[0].norm()));
    value_ = larger(value_, (move - expected).norm() / scale);
  }

  const Trajectory* reference_;
  Matrix start_A_, start_B_;
  double value_ = 0;
};

/// Replays a trajectory with one optimizer; the gradients of each step are s B^T G and s G A^T at
/// the optimizer's own A and B, rounded to Scalar.
template <typename Scalar>
double replay(const Trajectory& reference, const lorapro::RuntimeRule<Scalar>& rule) {
  using Matrix = lorapro::RowMatrix<Scalar>;
  Matrix A = reference.lora_A[0].cast<Scalar>(), B = reference.lora_B[0].cast<Scalar>();
  Matrix grad_A = Matrix::Zero(A.rows(), A.cols()), grad_B = Matrix::Zero(B.rows(), B.cols());
  Matrix W0 = reference.base_weight.cast<Scalar>();
  lorapro::BaseOptimizer<Scalar> optimizer(rule, reference.config);
  auto view = lorapro::row_major_view(A.data(), B.data(), grad_A.data(), grad_B.data(),
                                      reference.out_features, reference.in_features, reference.rank,
                                      reference.scaling);
  view.base_weight = W0.data();
  optimizer.attach(view);
  Deviation deviation(reference);
  deviation.add(0, A, B);
  for (std::size_t t = 0; t < reference.full_grad.size(); ++t) {
    const auto& G = reference.full_grad[t];
    grad_A =
        (reference.scaling * B.template cast<double>().transpose() * G).template cast<Scalar>();
    grad_B =
        (reference.scaling * G * A.template cast<double>().transpose()).template cast<Scalar>();
    if (optimizer.step().skipped() > 0) return std::numeric_limits<double>::quiet_NaN();
    deviation.add(t + 1, A, B);
  }
  return deviation.value();
}

template <typename Scalar, typename Rule>
double replay(const Trajectory& reference) {
  return replay(reference, lorapro::runtime_rule<Scalar, Rule>());
}

/// Replays a trajectory of RefLoraRule or RefLoraSRule with its warm-up.
template <typename Scalar, template <std::int64_t> class Rule>
double replay_warmup(const Trajectory& reference) {
  switch (reference.warmup) {
    case 0:
      return replay<Scalar, Rule<0>>(reference);
    case 3:
      return replay<Scalar, Rule<3>>(reference);
    case 4:
      return replay<Scalar, Rule<4>>(reference);
    default:
      throw lorapro::ConfigError("warmup: expected 0, 3 or 4, got " +
                                 std::to_string(reference.warmup));
  }
}

/// Replays a trajectory with the rule that its mode names.
/// \tparam Moments  storage of the full moments: Scalar or bfloat16.
template <typename Scalar, typename Moments = Scalar>
double replay_mode(const Trajectory& reference) {
  using namespace lorapro;
  if (reference.mode == "scaled_gd") return replay<Scalar, ScaledGdRule>(reference);
  if (reference.mode == "scaled_adamw") return replay<Scalar, ScaledAdamWRule>(reference);
  if (reference.mode == "lora_fa") return replay<Scalar, LoraFaRule>(reference);
  if (reference.mode == "lora_muon" && reference.split_decay)
    return replay<Scalar, LoraMuonSplitRule>(reference);
  if (reference.mode == "lora_muon") return replay<Scalar, LoraMuonRule>(reference);
  if (reference.mode == "imuon") return replay<Scalar, ImuonRule>(reference);
  if (reference.mode == "reflora") return replay_warmup<Scalar, RefLoraRule>(reference);
  if (reference.mode == "reflora_s") return replay_warmup<Scalar, RefLoraSRule>(reference);
  if (reference.mode == "altlora") return replay<Scalar, AltLoraRule>(reference);
  if (reference.mode == "altlora_plus") return replay<Scalar, AltLoraPlusRule>(reference);
  if (reference.mode == "adaprelora") return replay<Scalar, AdaPreLoraRule>(reference);
  if (reference.mode == "lora_rite") return replay<Scalar, LoraRiteRule>(reference);
  if (reference.mode == "loft") return replay<Scalar, LoftRule>(reference);
  if (reference.mode == "sgd") return replay<Scalar, LoraPro<NoMoments>>(reference);
  if (reference.mode == "adamw_efficient")
    return replay<Scalar, LoraPro<AdapterMoments>>(reference);
  return replay<Scalar, LoraPro<FullMoments<Moments>>>(reference);
}

}  // namespace example
