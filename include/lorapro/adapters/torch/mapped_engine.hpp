// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/engine.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include <ATen/Parallel.h>  // at::get_num_threads
#include <torch/types.h>    // torch::empty

#include <algorithm>  // std::none_of
#include <memory>     // std::unique_ptr
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// Calls f(T{}) with the element type that an optimizer in Scalar maps for `type`.
/// \return false if there is none.
template <typename Scalar, typename F>
bool visit_mapped_type(torch::ScalarType type, const F& f) {
  if (type == torch::CppTypeToScalarType<Scalar>::value) return f(Scalar{}), true;
  if constexpr (std::is_same_v<Scalar, float>) {
    if (type == torch::kBFloat16) return f(bfloat16{}), true;
    if (type == torch::kHalf) return f(half{}), true;
  }
  return false;
}

/// Whether the library can step the parameter in the tensor's own memory, in Scalar.
template <typename Scalar>
bool can_map(const Item& item) {
  return item.A.device().is_cpu() && item.A.layout() == torch::kStrided &&
         visit_mapped_type<Scalar>(item.A.scalar_type(), [](auto) {}) &&
         item.A.is_non_overlapping_and_dense() &&
         (!item.is_pair() || item.B.is_non_overlapping_and_dense());
}

template <typename T>
MatrixView<T> matrix_view(const torch::Tensor& tensor) {
  return {static_cast<T*>(tensor.data_ptr()), tensor.size(0), tensor.size(1), tensor.stride(0),
          tensor.stride(1)};
}

/// One parameter and its gradient where they were at the last step.
class Mapped {
 public:
  /// \param is_factor  whether its view has strides, or is one run of memory.
  Mapped(const torch::Tensor& parameter, bool is_factor)
      : parameter_(parameter), is_factor_(is_factor) {}

  const torch::Tensor& grad() const { return grad_; }

  /// Looks where both are now. A gradient that is laid out otherwise than a view can say is copied.
  /// \return whether anything is elsewhere than before. \pre There is a gradient.
  bool locate() {
    const torch::Tensor grad = parameter_.grad();
    if (grad.strides() == parameter_.strides() ||
        (is_factor_ && grad.is_non_overlapping_and_dense())) {
      grad_ = grad;
    } else {
      if (!copied_.defined()) copied_ = torch::empty_like(parameter_);
      grad_ = copied_.copy_(grad);
    }
    const bool moved = value_at_ != parameter_.data_ptr() || grad_at_ != grad_.data_ptr() ||
                       grad_strides_ != grad_.strides();
    value_at_ = parameter_.data_ptr();
    if (moved) grad_strides_ = grad_.strides().vec();
    grad_at_ = grad_.data_ptr();
    return moved;
  }

  /// Whether someone has written the parameter since remember().
  bool changed() const { return version_ != parameter_._version(); }
  /// Tells autograd that the parameter has been written, as in-place operations do.
  void written() {
    parameter_.unsafeGetTensorImpl()->bump_version();
    remember();
  }
  void remember() { version_ = parameter_._version(); }
  void forget() {
    grad_.reset();
    grad_at_ = nullptr;
  }

 private:
  torch::Tensor parameter_, grad_, copied_;
  bool is_factor_;
  const void* value_at_ = nullptr;
  const void* grad_at_ = nullptr;
  std::vector<std::int64_t> grad_strides_;
  decltype(std::declval<torch::Tensor>()._version()) version_ = 0;
};

/// The library's optimizer on the memory of the tensors.
/// \tparam Scalar  float (also for bfloat16 and half, with masters) or double.
template <typename Scalar, typename Rule>
class MappedEngine final : public Engine {
 public:
  void add(const Item& item) override { waiting_.push_back(item); }

  void check() const override {
    const auto stays = [](const Item& item) {
      if (!can_map<Scalar>(item))
        throw StateError(item.name +
                         ": expected a tensor as it was when the optimizer was made, got " +
                         item.A.toString() + ": make the optimizer after to()");
    };
    for (const Item& item : waiting_) stays(item);
    for (const Bound& bound : pairs_) stays(bound.item);
    for (const Bound& bound : dense_) stays(bound.item);
  }

  StepReport step(const LoraProAdamWOptions& options, StateMap& states) override {
    if (optimizer_ == nullptr) make_optimizer(options);
    release(states);
    for_each([](auto& slot, Bound& bound) {
      slot.active = bound.item.has_gradient();
      if (!slot.active) return bound.forget(slot);
      if (bound.locate()) with_view(slot, bound, [&](const auto& view) { slot.move_to(view); });
      if (bound.changed()) slot.follow();
    });
    attach_waiting(states);
    const OptimizerConfig config = options.config();
    optimizer_->set_config(config, {config.group});
    const StepReport report = optimizer_->step();
    for_each([](auto& slot, Bound& bound) {
      if (slot.active && slot.preparation.report.usable()) bound.written();
    });
    return report;
  }

  void export_states(StateMap& states) override {
    exported_ = true;
    for_each([&](auto& slot, Bound& bound) {
      LoraProAdamWParamState& state_A = state_of(states, bound.item.A);
      LoraProAdamWParamState& state_B =
          bound.item.is_pair() ? state_of(states, bound.item.B) : state_A;
      state_A.step(slot.step);
      state_B.step(slot.step);
      state_A.free_factor(slot.free_factor == Side::B ? 0 : 1);
      visit_state(slot, [&](const std::string& part, auto tensor) {
        const torch::Tensor copy = tensor_for(bound.item, tensor);
        tensor.read(static_cast<ElementOf<decltype(tensor)>*>(copy.data_ptr()));
        part_of(part, state_A, state_B) = copy;
      });
    });
  }

  void import_states(StateMap& states) override {
    exported_ = true;
    for_each([&](auto& slot, Bound& bound) { import_state(slot, bound, states); });
  }

 private:
  using Optimizer = lorapro::Optimizer<Scalar, Rule>;
  using PairSlot = lorapro::detail::PairSlot<Scalar, Rule>;
  using DenseSlot = lorapro::detail::DenseSlot<Scalar, Rule>;

  struct Bound {
    explicit Bound(const Item& what) : item(what), A(what.A, what.is_pair()), B(what.B, true) {}
    bool locate() {
      const bool moved = A.locate();
      return (item.is_pair() && B.locate()) || moved;
    }
    bool changed() const { return A.changed() || (item.is_pair() && B.changed()); }
    void written() {
      A.written();
      if (item.is_pair()) B.written();
    }
    void remember() {
      A.remember();
      if (item.is_pair()) B.remember();
    }

    /// Without a gradient nothing is known of where the next one comes to be.
    void forget(lorapro::detail::Slot& slot) {
      slot.release_gradients();
      A.forget();
      B.forget();
    }

    Item item;
    Mapped A, B;
    bool fresh = true;  ///< not stepped so far
  };

  void make_optimizer(const LoraProAdamWOptions& options) {
    OptimizerConfig config = options.config();
    config.threads = options.threads() > 0 ? options.threads() : at::get_num_threads();
    optimizer_ = std::make_unique<Optimizer>(config);
  }

  /// Frees the copies in the map that the optimizer's own state has outdated.
  void release(StateMap& states) {
    if (!exported_) return;
    exported_ = false;
    for_each([&](auto&, Bound& bound) {
      for (const torch::Tensor* const parameter : {&bound.item.A, &bound.item.B}) {
        auto* const state = parameter->defined() ? find_state(states, *parameter) : nullptr;
        if (state == nullptr) continue;
        LoraProAdamWParamState::for_each_tensor(
            *state, [](const char*, torch::Tensor& tensor) { tensor.reset(); });
      }
    });
  }

  /// Attaches what has got its first gradient.
  void attach_waiting(StateMap& states) {
    if (std::none_of(waiting_.begin(), waiting_.end(),
                     [](const Item& item) { return item.has_gradient(); }))
      return;
    std::vector<Item> got_none;
    for (const Item& item : waiting_) {
      if (!item.has_gradient()) {
        got_none.push_back(item);
        continue;
      }
      Bound bound(item);
      bound.locate();
      bound.remember();
      const auto attach = [&](const auto& view) { optimizer_->attach(view, {}, item.name); };
      if (item.is_pair()) {
        with_pair_view(bound, attach);
        pairs_.push_back(std::move(bound));
      } else {
        with_dense_view(bound, attach);
        dense_.push_back(std::move(bound));
      }
    }
    waiting_ = std::move(got_none);
    for_each([&](auto& slot, Bound& bound) {
      if (bound.fresh) import_state(slot, bound, states);
      bound.fresh = false;
    });
  }

  /// \name Call f(view) with the LoraView or DenseView of what is bound
  /// @{
  template <typename F>
  static void with_pair_view(const Bound& bound, const F& f) {
    visit_mapped_type<Scalar>(bound.item.A.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      f(LoraView<T>{matrix_view<T>(bound.item.A), matrix_view<T>(bound.item.B),
                    matrix_view<T>(bound.A.grad()), matrix_view<T>(bound.B.grad()),
                    bound.item.scaling});
    });
  }
  template <typename F>
  static void with_dense_view(const Bound& bound, const F& f) {
    visit_mapped_type<Scalar>(bound.item.A.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      f(DenseView<T>{static_cast<T*>(bound.item.A.data_ptr()),
                     static_cast<T*>(bound.A.grad().data_ptr()), bound.item.A.numel()});
    });
  }
  template <typename F>
  static void with_view(const PairSlot&, const Bound& bound, const F& f) {
    with_pair_view(bound, f);
  }
  template <typename F>
  static void with_view(const DenseSlot&, const Bound& bound, const F& f) {
    with_dense_view(bound, f);
  }
  /// @}

  /// Calls f(slot, bound) for all that is attached; the optimizer keeps the same order.
  template <typename F>
  void for_each(const F& f) {
    if (optimizer_ == nullptr) return;
    std::size_t pair = 0, dense = 0;
    optimizer_->for_each_slot([&](auto& slot) {
      if constexpr (std::is_same_v<std::decay_t<decltype(slot)>, PairSlot>) {
        f(slot, pairs_[pair++]);
      } else {
        f(slot, dense_[dense++]);
      }
    });
  }

  template <typename Slot, typename F>
  static void visit_state(Slot& slot, const F& f) {
    slot.state.visit(f);
    slot.visit_masters(f);
  }

  template <typename StateTensor>
  using ElementOf = typename StateTensor::Element;

  /// A tensor for a matrix of state; for a parameter without factors, in the order of its memory.
  template <typename StateTensor>
  static torch::Tensor tensor_for(const Item& item, const StateTensor& tensor) {
    constexpr auto kType = torch::CppTypeToScalarType<ElementOf<StateTensor>>::value;
    return item.is_pair() ? torch::empty({tensor.rows(), tensor.cols()}, kType)
                          : torch::empty_like(item.A, kType);
  }

  /// Takes a loaded state over.
  template <typename Slot>
  static void import_state(Slot& slot, Bound& bound, StateMap& states) {
    LoraProAdamWParamState* const state_A = find_state(states, bound.item.A);
    if (state_A == nullptr) return;
    LoraProAdamWParamState& state_B =
        bound.item.is_pair() ? state_of(states, bound.item.B) : *state_A;
    slot.step = state_A->step();
    slot.free_factor = state_A->free_factor() == 0 ? Side::B : Side::A;
    visit_state(slot, [&](const std::string& part, auto tensor) {
      const torch::Tensor& stored = part_of(part, *state_A, state_B);
      torch::Tensor copy = tensor_for(bound.item, tensor);
      // What had not been stepped has no moments yet, and masters follow the parameter.
      if (stored.defined()) {
        copy.copy_(stored);
      } else if (part.compare(0, 6, "master") == 0) {
        return;
      } else {
        copy.zero_();
      }
      tensor.write(static_cast<const ElementOf<decltype(tensor)>*>(copy.data_ptr()));
    });
    slot.follow();
  }

  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Item> waiting_;  // without a gradient so far
  std::vector<Bound> pairs_, dense_;
  bool exported_ = false;  // the map has copies
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
