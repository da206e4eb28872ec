// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/factor_elements.hpp>
#include <lorapro/optim/rule_checks.hpp>
#include <lorapro/optim/slot.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// An attached parameter without factors.
template <typename Scalar, typename Rule>
struct DenseSlot : Slot {
  using State = typename RuleStates<Rule, Scalar>::Dense;

  /// \throws as dense_of.
  template <typename T>
  DenseSlot(const DenseView<T>& view, const std::string& name_)
      : dense(dense_of(view)), state(dense) {
    name = name_;
    memory = own_memory(view);
    cost_ns = State::workspace(dense).cost_ns;
    if constexpr (!std::is_same_v<T, Scalar>) {
      master = Buffer<Scalar>(view.size);
      dense.factor.master = dense.factor.value;  // contiguous, as the master is
      dense.factor.master.data = master.data();
      dense.factor.master.type = storage_type<Scalar>();
      follow();
    }
  }

  Index size() const { return dense.size(); }

  /// The rate and decay of a step with this factor of the schedule.
  void set_rates(const GroupConfig& of_group, double lr_factor) {
    dense.factor.lr = of_group.lr * lr_factor;
    dense.factor.decay = decay_at(dense.factor.lr, of_group);
  }

  DenseStep<Scalar> in_step(const Team<Scalar>& team) { return {dense, context, team}; }

  /// \throws ShapeError (another size), ConfigError (another element type).
  template <typename T>
  void check_fits(const DenseView<T>& view) const {
    checks::shape("value", 1, view.size, 1, size());
    if (dense.factor.value.type != storage_type<T>())
      throw ConfigError("value: expected the element type that is attached, got another");
  }

  /// As PairSlot::move_to. \throws as dense_of and check_fits.
  template <typename T>
  void move_to(const DenseView<T>& view) {
    const Dense moved = dense_of(view);
    check_fits(view);
    dense.factor.value = moved.factor.value;
    dense.factor.grad = moved.factor.grad;
    memory = own_memory(view);
  }

  /// As PairSlot::follow.
  void follow() {
    if (master.size() > 0) follow_model<Scalar>(dense.factor.value, dense.factor.master);
  }

  void zero_grad() { set_zero(dense.factor.grad); }

  /// Calls visitor(name, tensor) for the parameter, a StridedTensor.
  template <typename Visitor>
  void visit_parameters(bool /*with_base*/, Visitor&& visitor) {
    visit_storage_type(dense.factor.value.type, [&](auto zero) {
      using T = decltype(zero);
      T* const data = static_cast<T*>(dense.factor.value.data);
      visitor("value", StridedTensor<T>({data, 1, size(), size(), 1}));
    });
  }

  /// Calls visitor(name, tensor) for the master, where there is one.
  template <typename Visitor>
  void visit_masters(Visitor&& visitor) {
    if (master.size() > 0) visitor("master", StateTensor<Scalar>(master.data(), 1, master.size()));
  }

  Dense dense;
  State state;
  Buffer<Scalar> master;
};

}  // namespace detail

LORAPRO_NAMESPACE_END
