// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/mapped_tensor.hpp>
#include <lorapro/optim/any_optimizer.hpp>

#include <ATen/Parallel.h>  // at::get_num_threads
#include <torch/types.h>    // torch::empty

#include <algorithm>    // std::none_of
#include <memory>       // std::unique_ptr
#include <string>       // std::string
#include <string_view>  // std::string_view
#include <vector>       // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// The library's optimizer on the memory of the tensors.
/// \tparam Scalar  float (also for bfloat16 and half, with masters) or double.
template <typename Scalar>
class MappedEngine final : public Engine {
 public:
  /// \throws ConfigError (no such rule).
  explicit MappedEngine(std::string_view rule) : rule_(runtime_rule<Scalar>(rule).name) {}

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

  StepReport step(const LoraProOptions& options, StateMap& states) override {
    if (optimizer_ == nullptr) make_optimizer(options);
    release(states);
    for_each([](auto& slot, Bound& bound) {
      slot.active = bound.item.has_gradient();
      if (!slot.active) return bound.forget(slot);
      if (bound.locate())
        with_view(slot, bound,
                  [&](const auto& view) { slot.move_to(lorapro::detail::given(view)); });
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
      LoraProParamState& state = state_of(states, bound.item.A);
      state.step(slot.step);
      state.free_factor(slot.free_factor == Side::B ? 0 : 1);
      visit_state(slot, [&](const std::string& name, const StateTensor& tensor) {
        const torch::Tensor copy = tensor_for(bound.item, tensor);
        visit_storage_type(tensor.type(), [&](auto zero) {
          tensor.read(static_cast<decltype(zero)*>(copy.data_ptr()));
        });
        state.tensors()[name] = copy;
      });
    });
  }

  void import_states(StateMap& states) override {
    exported_ = true;
    for_each([&](auto& slot, Bound& bound) { import_state(slot, bound, states); });
  }

 private:
  using Optimizer = AnyOptimizer<Scalar>;
  using PairSlot = lorapro::detail::PairSlot<Scalar>;
  using DenseSlot = lorapro::detail::DenseSlot<Scalar>;

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
    MappedTensor A, B;
    bool fresh = true;  ///< not stepped so far
  };

  void make_optimizer(const LoraProOptions& options) {
    OptimizerConfig config = options.config();
    config.threads = options.threads() > 0 ? options.threads() : at::get_num_threads();
    optimizer_ = std::make_unique<Optimizer>(rule_, config);
  }

  /// Frees the copies in the map that the optimizer's own state has outdated.
  void release(StateMap& states) {
    if (!exported_) return;
    exported_ = false;
    for_each([&](auto&, Bound& bound) {
      auto* const state = find_state(states, bound.item.A);
      if (state != nullptr) state->tensors().clear();
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
                     static_cast<T*>(bound.A.grad().data_ptr()), bound.item.A.numel(),
                     columns_in_memory(bound.item.A)});
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

  template <typename Slot>
  static void visit_state(Slot& slot, const StateVisitor& visitor) {
    slot.visit_state(visitor);
    slot.visit_masters(visitor);
  }

  /// A tensor for a matrix of state; for a parameter without factors, in the order of its memory.
  static torch::Tensor tensor_for(const Item& item, const StateTensor& tensor) {
    const auto type = torch_type(tensor.type());
    return item.is_pair() ? torch::empty({tensor.rows(), tensor.cols()}, type)
                          : torch::empty_like(item.A, type);
  }

  /// Takes a loaded state over.
  template <typename Slot>
  static void import_state(Slot& slot, Bound& bound, StateMap& states) {
    const LoraProParamState* const state = find_state(states, bound.item.A);
    if (state == nullptr) return;
    slot.step = state->step();
    slot.free_factor = state->free_factor() == 0 ? Side::B : Side::A;
    visit_state(slot, [&](const std::string& name, const StateTensor& tensor) {
      const torch::Tensor stored = state->tensor(name);
      torch::Tensor copy = tensor_for(bound.item, tensor);
      // What had not been stepped has no state yet, and masters follow the parameter.
      if (stored.defined()) {
        copy.copy_(stored);
      } else if (name.compare(0, 6, "master") == 0) {
        return;
      } else {
        copy.zero_();
      }
      visit_storage_type(tensor.type(), [&](auto zero) {
        tensor.write(static_cast<const decltype(zero)*>(copy.data_ptr()));
      });
    });
    slot.follow();
  }

  std::string rule_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Item> waiting_;  // without a gradient so far
  std::vector<Bound> pairs_, dense_;
  bool exported_ = false;  // the map has copies
};

/// The engine of a rule in Scalar. Where LORAPRO_TORCH_EXTERN_ENGINES is defined, engines_float.hpp
/// and engines_double.hpp have to be included in one translation unit each, the same or two, which
/// then alone compile the rules.
/// \throws ConfigError (no such rule).
template <typename Scalar>
std::unique_ptr<Engine> make_mapped_engine(std::string_view rule) {
  return std::make_unique<MappedEngine<Scalar>>(rule);
}

#ifdef LORAPRO_TORCH_EXTERN_ENGINES
extern template std::unique_ptr<Engine> make_mapped_engine<float>(std::string_view);
extern template std::unique_ptr<Engine> make_mapped_engine<double>(std::string_view);
#endif

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
