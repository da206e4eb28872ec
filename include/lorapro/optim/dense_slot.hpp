// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/factor_elements.hpp>
#include <lorapro/optim/slot.hpp>
#include <lorapro/optim/state.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// An attached parameter without factors; RuleDenseSlot derives from it with the state of a rule.
template <typename Scalar>
class DenseSlot : public Slot {
 public:
  DenseSlot(const GivenDense& given, const std::string& name_) : dense(given.dense) {
    name = name_;
    memory = given.memory;
    if (dense.factor.value.type == storage_type<Scalar>()) return;
    master_ = Buffer<Scalar>(size());
    dense.factor.master = dense.factor.value;  // contiguous, as the master is
    dense.factor.master.data = master_.data();
    dense.factor.master.type = storage_type<Scalar>();
    follow();
  }
  virtual ~DenseSlot() = default;
  DenseSlot(const DenseSlot&) = delete;
  DenseSlot& operator=(const DenseSlot&) = delete;

  /// \name The rule's part, as of PairSlot
  /// @{
  virtual const char* rule() const = 0;
  virtual RuleWorkspace workspace() const = 0;
  virtual Preparation prepare(const Team<Scalar>& team) = 0;
  virtual void update(const Team<Scalar>& team) = 0;
  virtual void visit_state(const StateVisitor& visitor) = 0;
  /// @}

  Index size() const { return dense.size(); }

  /// The rate and decay of a step with this factor of the schedule.
  void set_rates(const GroupConfig& of_group, double lr_factor) {
    dense.factor.lr = of_group.lr * lr_factor;
    dense.factor.decay = decay_at(dense.factor.lr, of_group);
  }

  /// \throws ShapeError (another size), ConfigError (another element type).
  void check_fits(const GivenDense& given) const {
    checks::shape("value", 1, given.dense.size(), 1, size());
    if (dense.factor.value.type != given.dense.factor.value.type)
      throw ConfigError("value: expected the element type that is attached, got another");
  }

  /// As PairSlot::move_to. \throws as check_fits.
  void move_to(const GivenDense& given) {
    check_fits(given);
    dense.factor.value = given.dense.factor.value;
    dense.factor.grad = given.dense.factor.grad;
    memory = given.memory;
  }

  /// As PairSlot::follow.
  void follow() {
    if (master_.size() > 0) follow_model<Scalar>(dense.factor.value, dense.factor.master);
  }

  void zero_grad() { set_zero(dense.factor.grad); }

  /// Calls visitor for the parameter.
  void visit_parameters(bool /*with_base*/, const StateVisitor& visitor) const {
    visit_storage_type(dense.factor.value.type, [&](auto zero) {
      visitor("value",
              StateTensor(static_cast<decltype(zero)*>(dense.factor.value.data), 1, size()));
    });
  }

  /// Calls visitor for the master, where there is one.
  void visit_masters(const StateVisitor& visitor) {
    if (master_.size() > 0) visitor("master", StateTensor(master_.data(), 1, master_.size()));
  }

  Dense dense;

 private:
  Buffer<Scalar> master_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END
