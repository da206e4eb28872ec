// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/engine.hpp>
#include <lorapro/adapters/torch/tensor_adjust.hpp>
#include <lorapro/adjust/adam.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>

#include <cmath>   // std::pow, std::sqrt
#include <limits>  // std::numeric_limits
#include <memory>  // std::unique_ptr
#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// The scalar of moments and masters.
inline torch::ScalarType compute_type(const torch::Tensor& parameter) {
  return parameter.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
}

inline double storage_epsilon_of(const torch::Tensor& parameter) {
  switch (parameter.scalar_type()) {
    case torch::kDouble:
      return storage_epsilon<double>();
    case torch::kBFloat16:
      return storage_epsilon<bfloat16>();
    case torch::kHalf:
      return storage_epsilon<half>();
    default:
      return storage_epsilon<float>();
  }
}

/// The rules of the library by tensor operations: the same numbers but for rounding, on any device
/// that has double. It waits for the device three times a step, and at the first one of each pair.
class TensorEngine final : public Engine {
 public:
  void add(const Item& item) override { items_.push_back({item, item.A.device()}); }

  void check() const override {
    for (const Member& member : items_)
      if (member.item.A.device() != member.device)
        throw StateError(member.item.name + ": expected a tensor on " + member.device.str() +
                         ", got one on " + member.item.A.device().str() +
                         ": make the optimizer after to()");
  }

  StepReport step(const LoraProAdamWOptions& options, StateMap& states) override {
    StepReport report;
    std::vector<Work> works;
    for (const Member& member : items_)
      if (member.item.has_gradient()) works.push_back({&member.item});
    if (works.empty()) return report;
    drop(works, report.skipped_non_finite, [](Work& work) { return work.read(); });
    const OptimizerConfig config = resolved_config(options);
    for (Work& work : works) work.project_as(config, states);
    drop(works, report.skipped_overflow, [](Work& work) { return work.solve(); });
    if (works.empty()) return report;

    std::vector<torch::Tensor> norms, deficient;
    for (const Work& work : works) {
      norms.push_back(config.group.clip_norm == ClipNorm::adapter ? work.raw_norm : work.norm);
      if (work.pair) deficient.push_back(work.pair->deficient());
    }
    if (config.group.clip_norm != ClipNorm::none) {
      report.grad_norm = std::sqrt(total(norms));
      if (report.grad_norm > config.group.max_grad_norm)
        report.clip_factor = config.group.max_grad_norm / report.grad_norm;
    }
    for (Work& work : works) update(work, options, config, report.clip_factor, states);
    report.updated = static_cast<Index>(works.size());
    report.rank_deficient = static_cast<Index>(total(deficient));
    return report;
  }

  // The states are the map's own.
  void export_states(StateMap&) override {}
  void import_states(StateMap&) override {}

 private:
  struct Member {
    Item item;
    torch::Device device;
  };

  /// One item in one step.
  struct Work {
    const Item* item = nullptr;
    TensorStep value{}, grad{};  // in double; of a parameter without factors in its compute type
    std::unique_ptr<TensorPair> pair{};
    TensorStep step{};                 // the adjusted gradients
    torch::Tensor raw_norm{}, norm{};  // squared, of the gradients and of E
    AdjustOptions projection{};

    Work(const Item* what) : item(what) {}  // NOLINT(google-explicit-constructor)

    /// A copy: the momentum is moved from the factors as they are before they are written.
    static torch::Tensor before_step(const torch::Tensor& parameter, torch::ScalarType type) {
      return parameter.detach().to(type, /*non_blocking=*/false, /*copy=*/true);
    }

    /// \return whether all numbers are finite.
    torch::Tensor read() {
      const auto type = item->is_pair() ? torch::kDouble : compute_type(item->A);
      value.A = before_step(item->A, type);
      grad.A = item->A.grad().to(type);
      raw_norm = grad.A.to(torch::kDouble).square().sum();
      torch::Tensor sum = value.A.to(torch::kDouble).square().sum() + raw_norm;
      if (item->is_pair()) {
        value.B = before_step(item->B, type);
        grad.B = item->B.grad().to(type);
        const torch::Tensor norm_B = grad.B.square().sum();
        raw_norm = raw_norm + norm_B;
        sum = sum + value.B.square().sum() + norm_B;
      }
      return sum.isfinite();
    }

    /// Decides how the pair is projected in this step; at its first one waits for the device.
    void project_as(const OptimizerConfig& config, StateMap& states) {
      if (!item->is_pair()) return;
      LoraProAdamWParamState& state = state_of(states, item->A);
      if (state.step() == 0) {
        const bool A_is_zero = !value.A.any().item<bool>() && value.B.any().item<bool>();
        state.free_factor(A_is_zero ? 1 : 0);
      }
      const bool fixed_A = state.free_factor() == 0;
      projection = config.adjust_options();
      projection.free_factor = fixed_A ? Side::B : Side::A;
      projection.lr = config.group.lr * (fixed_A ? 1 : config.group.loraplus_lr_ratio);
    }

    /// What the library's norms of directions go by.
    PairShape shape() const { return {item->B.size(0), item->A.size(1), item->A.size(0)}; }
    torch::Tensor on_device(double number) const {
      return torch::full({}, number, value.A.options());
    }

    /// \return whether E, and its square, fit the moments.
    torch::Tensor solve() {
      norm = raw_norm;
      if (item->is_pair()) {
        pair = std::make_unique<TensorPair>(value.A, value.B, storage_epsilon_of(item->A));
        step = pair->adjust(grad, item->scaling, projection,
                            on_device(lorapro::detail::usual_direction_norm(shape())));
        norm = pair->squared_norm(step) * (item->scaling * item->scaling);
      }
      const bool wide = compute_type(item->A) == torch::kDouble;
      const double largest = wide ? (std::numeric_limits<double>::max)()
                                  : static_cast<double>((std::numeric_limits<float>::max)());
      return norm < largest / 4;
    }
  };

  /// The options with what the rule of the library decides where the user has not.
  static OptimizerConfig resolved_config(const LoraProAdamWOptions& options) {
    using lorapro::detail::resolved;
    return options.moments() == Moments::spectral
               ? resolved<LoraPro<SpectralMoments>>(options.config())
               : resolved<LoraPro<AdapterMoments>>(options.config());
  }

  /// Drops and counts the works for which keep(work) gives false on the device.
  template <typename Keep>
  static void drop(std::vector<Work>& works, Index& count, const Keep& keep) {
    if (works.empty()) return;
    std::vector<torch::Tensor> flags;
    for (Work& work : works) flags.push_back(keep(work).to(torch::kCPU, torch::kBool, true));
    std::vector<Work> kept;
    for (std::size_t i = 0; i < works.size(); ++i) {
      if (flags[i].item<bool>()) {
        kept.push_back(std::move(works[i]));
      } else {
        ++count;
      }
    }
    works = std::move(kept);
  }

  static double total(const std::vector<torch::Tensor>& numbers) {
    double sum = 0;
    for (const torch::Tensor& number : numbers) sum += number.to(torch::kDouble).item<double>();
    return sum;
  }

  static void update(Work& work, const LoraProAdamWOptions& options, const OptimizerConfig& config,
                     double clip, StateMap& states) {
    const Item& item = *work.item;
    const double lr = options.lr(), decay = options.weight_decay();
    const double lr_B = lr * options.loraplus_lr_ratio();
    LoraProAdamWParamState& state_A = state_of(states, item.A);
    const std::int64_t t = state_A.step() + 1;
    const Adam adam{*config.beta1, config.beta2, config.eps, t};
    if (!item.is_pair()) {
      const torch::Tensor grad = clip == 1 ? work.grad.A : work.grad.A * clip;
      descend(item.A, state_A, adam.direction(grad, state_A), lr, decay);
    } else {
      LoraProAdamWParamState& state_B = state_of(states, item.B);
      const auto type = compute_type(item.A);
      const TensorStep clipped{work.step.A * clip, work.step.B * clip};
      const TensorPair& pair = *work.pair;
      const PairShape shape = work.shape();
      // A direction whose norm is not given is measured, as by LoraPro<FullMoments>.
      const auto project = [&](const TensorStep& seen, torch::Tensor norm = {}) {
        const TensorStep scaled_by_s = scaled(seen, item.scaling);
        if (!norm.defined())
          norm = torch::maximum(pair.damped_norm(scaled_by_s, item.scaling, work.projection),
                                work.on_device(lorapro::detail::least_direction_norm(shape)));
        return pair.adjust(scaled_by_s, item.scaling, work.projection, norm);
      };
      TensorStep step;
      TensorStep momentum;
      switch (options.moments()) {
        case Moments::full: {
          const torch::Tensor A = pair.A().to(type), B = pair.B().to(type);
          const torch::Tensor E =
              torch::cat({B, clipped.B.to(type)}, 1).mm(torch::cat({clipped.A.to(type), A}, 0)) *
              item.scaling;
          const torch::Tensor H = adam.direction(E, state_A);
          step = project({B.t().mm(H).to(torch::kDouble), H.mm(A.t()).to(torch::kDouble)});
          break;
        }
        case Moments::adapter:
          step = {adam.direction(clipped.A.to(type), state_A),
                  adam.direction(clipped.B.to(type), state_B)};
          break;
        case Moments::spectral: {
          momentum = accumulate(pair, clipped, item.scaling, *config.beta1, state_A, state_B);
          const TensorStep nesterov =
              mix(*config.beta1, pair.image(momentum), scaled(pair.image(clipped), item.scaling));
          const TensorStep orthogonal = scaled(pair.orthogonal_image(raise(pair, nesterov)),
                                               lorapro::detail::usual_singular_value(shape));
          step = project(orthogonal, work.on_device(lorapro::detail::usual_direction_norm(shape)));
          break;
        }
      }
      descend(item.A, state_A, step.A.to(type), lr, decay);
      descend(item.B, state_B, step.B.to(type), lr_B, decay);
      if (options.moments() == Moments::spectral) {
        const TensorPair after(current(item.A, state_A, torch::kDouble),
                               current(item.B, state_B, torch::kDouble),
                               storage_epsilon_of(item.A));
        const TensorStep moved = pair.image(momentum, after);
        state_A.exp_avg(moved.A.to(type));
        state_B.exp_avg(moved.B.to(type));
      }
      state_B.step(t);
    }
    state_A.step(t);
  }

  struct Adam {
    double beta1, beta2, eps;
    std::int64_t step;

    /// Takes the gradient into the moments. \return m_hat / (sqrt(v_hat) + eps).
    torch::Tensor direction(const torch::Tensor& grad, LoraProAdamWParamState& state) const {
      if (!state.exp_avg().defined()) {
        state.exp_avg(torch::zeros_like(grad));
        state.exp_avg_sq(torch::zeros_like(grad));
      }
      state.exp_avg().mul_(beta1).add_(grad, 1 - beta1);
      state.exp_avg_sq().mul_(beta2).addcmul_(grad, grad, 1 - beta2);
      const double t = static_cast<double>(step);
      const double root = std::sqrt(1 - std::pow(beta2, t));
      const torch::Tensor spread = state.exp_avg_sq().sqrt().add_(eps * root);
      return (state.exp_avg() / spread).mul_(root / (1 - std::pow(beta1, t)));
    }
  };

  static TensorStep scaled(const TensorStep& step, double factor) {
    return {step.A * factor, step.B * factor};
  }
  static TensorStep mix(double beta, const TensorStep& old, const TensorStep& now) {
    return {old.A * beta + now.A * (1 - beta), old.B * beta + now.B * (1 - beta)};
  }

  /// The tangent vector of which the factors see `seen`, undamped.
  static TensorStep raise(const TensorPair& pair, const TensorStep& seen) {
    AdjustOptions undamped;
    undamped.gauge = Gauge::zero;
    return pair.adjust(seen, 1.0, undamped);
  }

  /// M = beta1 M + (1 - beta1) E. \return M as a tangent vector; the states have what is seen of
  /// it.
  static TensorStep accumulate(const TensorPair& pair, const TensorStep& step, double scaling,
                               double beta1, LoraProAdamWParamState& state_A,
                               LoraProAdamWParamState& state_B) {
    TensorStep seen = scaled(pair.image(step), scaling);
    if (state_A.exp_avg().defined()) {
      seen =
          mix(beta1, {state_A.exp_avg().to(torch::kDouble), state_B.exp_avg().to(torch::kDouble)},
              seen);
    } else {
      seen = scaled(seen, 1 - beta1);
    }
    return raise(pair, seen);
  }

  /// The parameter, or its master where that rounds to it.
  static torch::Tensor current(const torch::Tensor& parameter, LoraProAdamWParamState& state,
                               torch::ScalarType type) {
    const torch::Tensor& master = state.master();
    if (!master.defined()) return parameter.detach().to(type);
    return torch::where(master.to(parameter.scalar_type()) == parameter.detach(), master,
                        parameter.detach().to(master.scalar_type()))
        .to(type);
  }

  /// parameter = (1 - lr decay) parameter - lr direction.
  static void descend(const torch::Tensor& parameter, LoraProAdamWParamState& state,
                      const torch::Tensor& direction, double lr, double decay) {
    const torch::ScalarType type = compute_type(parameter);
    torch::Tensor value = parameter.detach();
    if (parameter.scalar_type() != type) value = current(parameter, state, type);
    value = value * (1 - lr * decay) - direction * lr;
    if (parameter.scalar_type() != type) state.master(value);
    torch::Tensor target = parameter;
    target.copy_(value);
  }

  std::vector<Member> items_;
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
