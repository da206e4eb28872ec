// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/factor_elements.hpp>
#include <lorapro/optim/slot.hpp>
#include <lorapro/optim/state.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// An attached pair: the caller's buffers, float masters of A and B where these are stored in less,
/// and, in what RulePairSlot derives from it, the state of a rule.
template <typename Scalar>
class PairSlot : public Slot {
 public:
  PairSlot(const GivenPair& given, const std::string& name_) : pair(given.pair), base(given.base) {
    name = name_;
    memory = given.memory;
    if (pair.A.value.type == storage_type<Scalar>()) return;
    masters_ = FactorState<Scalar>::of(pair.shape());
    for (const Side side : kSides) pair[side].master = masters_[side].view();
    follow();
  }
  virtual ~PairSlot() = default;
  PairSlot(const PairSlot&) = delete;
  PairSlot& operator=(const PairSlot&) = delete;

  /// \name The rule's part
  /// @{
  virtual const char* rule() const = 0;
  virtual RuleWorkspace workspace() const = 0;
  virtual bool moves_one_factor() const = 0;  ///< RuleDefaults::kMovesOneFactor
  /// Whose Gram matrices of gradients it reads, where it has a solver.
  virtual PerSide<bool> grad_grams() const = 0;
  virtual Preparation prepare(const Team<Scalar>& team) = 0;
  virtual void update(const Team<Scalar>& team) = 0;
  virtual void visit_state(const StateVisitor& visitor) = 0;
  /// State as of a pair that has just been attached.
  virtual void clear_state() = 0;
  /// @}

  PairShape shape() const { return pair.shape(); }

  /// The rates and decays of a step with this factor of the schedule.
  void set_rates(const GroupConfig& of_group, double lr_factor) {
    const double lr = of_group.lr * lr_factor;
    pair.A.lr = lr;
    pair.B.lr = lr * of_group.loraplus_lr_ratio;
    for (Factor& factor : pair) factor.decay = decay_at(factor.lr, of_group);
    // Of W as a whole: the ratio of the rates has no part in it.
    if (of_group.decay_target != DecayTarget::merged) return;
    const double of_W = decay_at(lr, of_group);
    for (Factor& factor : pair) factor.decay = moves_one_factor() ? of_W : std::sqrt(of_W);
  }

  /// Follows buffers that the caller has moved: those given from now on, of the same shape and
  /// element type. Everything else is kept, masters too (see follow). That they lie apart from what
  /// else is attached is not checked: while several move, some are still where others come to be.
  /// \throws as check_fits; nothing has changed then.
  void move_to(const GivenPair& given) {
    check_fits(given);
    for (const Side side : kSides) {
      pair[side].value = given.pair[side].value;
      pair[side].grad = given.pair[side].grad;
    }
    pair.scaling = given.pair.scaling;
    base = given.base;
    memory = given.memory;
  }

  /// \throws ShapeError (another shape than the slot's), ConfigError (another element type).
  void check_fits(const GivenPair& given) const {
    const PairShape own = shape(), other = given.pair.shape();
    checks::shape("lora_A", other.rank, other.in_features, own.rank, own.in_features);
    checks::shape("lora_B", other.out_features, other.rank, own.out_features, own.rank);
    if (pair.A.value.type != given.pair.A.value.type)
      throw ConfigError("lora_A: expected the element type that is attached, got another");
  }

  /// Takes over into the masters, where there are any, what the caller has changed in A and B:
  /// masters stay where they round to the buffer's value.
  void follow() {
    for (const Factor& factor : pair)
      if (factor.master.data != nullptr) follow_model<Scalar>(factor.value, factor.master);
  }

  /// Decides before the first step which factor is free: A if it is zero and B is not.
  void choose_free_factor() {
    free_factor = is_zero(pair.A.value) && !is_zero(pair.B.value) ? Side::A : Side::B;
  }

  void reset() {
    clear_state();
    step = 0;
    follow();
  }

  void zero_grad() {
    for (const Factor& factor : pair) set_zero(factor.grad);
  }

  /// Calls visitor for the caller's matrices that a step writes.
  /// \param with_base  whether a step writes W0 as well.
  void visit_parameters(bool with_base, const StateVisitor& visitor) const {
    const FactorView &A = pair.A.value, &B = pair.B.value;
    visit_storage_type(A.type, [&](auto zero) {
      using T = decltype(zero);
      visitor("lora_A", StateTensor(MatrixView<T>{static_cast<T*>(A.data), A.rank, A.length,
                                                  A.rank_stride, A.length_stride}));
      visitor("lora_B", StateTensor(MatrixView<T>{static_cast<T*>(B.data), B.length, B.rank,
                                                  B.length_stride, B.rank_stride}));
    });
    if (!with_base || base.data == nullptr) return;
    visit_storage_type(base.type, [&](auto zero) {
      visitor("base_weight",
              StateTensor(static_cast<decltype(zero)*>(base.data), B.length, A.length));
    });
  }

  /// Calls visitor for the masters, where there are any.
  void visit_masters(const StateVisitor& visitor) {
    if (pair.A.master.data != nullptr) visit_sides("master", masters_, visitor);
  }

  Pair pair;
  BaseMemory base;
  /// Of a rule that needs spectra, or else null.
  PairSolver* solver = nullptr;

 private:
  PerSide<FactorState<Scalar>> masters_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END
