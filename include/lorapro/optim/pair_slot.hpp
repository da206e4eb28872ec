// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/factor_elements.hpp>
#include <lorapro/optim/rule_checks.hpp>
#include <lorapro/optim/slot.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The spectra of a rule that needs none.
struct NoSolver {
  explicit NoSolver(Index) {}
};

/// An attached pair: the caller's buffers, the rule's state, and float masters of A and B where
/// these are stored in less.
template <typename Scalar, typename Rule>
struct PairSlot : Slot {
  using State = typename RuleStates<Rule, Scalar>::Pair;
  static constexpr bool kNeedsSpectra = RuleStates<Rule, Scalar>::kNeedsSpectra;
  using Solver = std::conditional_t<kNeedsSpectra, PairSolver, NoSolver>;

  /// \throws as pair_of.
  template <typename T, typename Base>
  PairSlot(const LoraView<T, Base>& view, const std::string& name_)
      : pair(pair_of(view)), state(pair.shape()), solver(pair.shape().rank) {
    name = name_;
    locate(view);
    cost_ns = State::workspace(pair.shape()).cost_ns;
    if constexpr (!std::is_same_v<T, Scalar>) {
      masters = FactorState<Scalar>::of(pair.shape());
      for (const Side side : kSides) pair[side].master = masters[side].view();
      follow();
    }
  }

  PairShape shape() const { return pair.shape(); }

  /// The rates and decays of a step with this factor of the schedule.
  void set_rates(const GroupConfig& of_group, double lr_factor) {
    const double lr = of_group.lr * lr_factor;
    pair.A.lr = lr;
    pair.B.lr = lr * of_group.loraplus_lr_ratio;
    for (Factor& factor : pair) factor.decay = decay_at(factor.lr, of_group);
    // Of W as a whole: the ratio of the rates has no part in it.
    if (of_group.decay_target == DecayTarget::merged)
      for (Factor& factor : pair) factor.decay = std::sqrt(decay_at(lr, of_group));
  }

  PairStep<Scalar> in_step(const Team<Scalar>& team) {
    if constexpr (kNeedsSpectra) {
      return {pair, context, team, &solver};
    } else {
      return {pair, context, team};
    }
  }

  /// Follows buffers that the caller has moved: those of \p view from now on, of the same shape and
  /// element type. Everything else is kept, masters too (see follow). That they lie apart from what
  /// else is attached is not checked: while several move, some are still where others come to be.
  /// \throws as pair_of, ShapeError, ConfigError (element type); nothing has changed then.
  template <typename T, typename Base>
  void move_to(const LoraView<T, Base>& view) {
    check_fits(view);
    const Pair moved = pair_of(view);
    for (const Side side : kSides) {
      pair[side].value = moved[side].value;
      pair[side].grad = moved[side].grad;
    }
    pair.scaling = moved.scaling;
    locate(view);
  }

  /// \throws ShapeError (another shape than the slot's), ConfigError (another element type).
  template <typename T, typename Base>
  void check_fits(const LoraView<T, Base>& view) const {
    const PairShape own = shape();
    checks::shape("lora_A", view.lora_A.rows, view.lora_A.cols, own.rank, own.in_features);
    checks::shape("lora_B", view.lora_B.rows, view.lora_B.cols, own.out_features, own.rank);
    if (pair.A.value.type != storage_type<T>())
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
    state = State(pair.shape());
    step = 0;
    follow();
  }

  /// \throws ConfigError if the group decays W0 and this pair has none that can be.
  void check_decay(const GroupConfig& config) const {
    if (!config.decays_base()) return;
    if (base_weight == nullptr)
      throw ConfigError(
          "decay_target: expected a sole, writable W0 for merged decay, got none for this pair");
    if (base_type != StorageType::f32 && base_type != StorageType::f64)
      throw ConfigError(
          "decay_target: expected W0 in float or double for merged decay, got a type that would "
          "round the decay away");
  }

  void zero_grad() {
    for (const Factor& factor : pair) set_zero(factor.grad);
  }

  /// Calls visitor(name, tensor) for the caller's matrices that a step writes, as StridedTensor.
  /// \param with_base  whether a step writes W0 as well.
  template <typename Visitor>
  void visit_parameters(bool with_base, Visitor&& visitor) {
    const FactorView &A = pair.A.value, &B = pair.B.value;
    visit_storage_type(A.type, [&](auto zero) {
      using T = decltype(zero);
      visitor("lora_A", StridedTensor<T>({static_cast<T*>(A.data), A.rank, A.length, A.rank_stride,
                                          A.length_stride}));
      visitor("lora_B", StridedTensor<T>({static_cast<T*>(B.data), B.length, B.rank,
                                          B.length_stride, B.rank_stride}));
    });
    if (!with_base || base_weight == nullptr) return;
    visit_storage_type(base_type, [&](auto zero) {
      using T = decltype(zero);
      visitor("base_weight",
              StridedTensor<T>({static_cast<T*>(base_weight), B.length, A.length, A.length, 1}));
    });
  }

  /// Calls visitor(name, tensor) for the masters, where there are any.
  template <typename Visitor>
  void visit_masters(Visitor&& visitor) {
    if (pair.A.master.data != nullptr) visit_sides("master", masters, visitor);
  }

  Pair pair;
  State state;
  Solver solver;
  PerSide<FactorState<Scalar>> masters;
  void* base_weight = nullptr;
  StorageType base_type = StorageType::f32;

 private:
  template <typename T, typename Base>
  void locate(const LoraView<T, Base>& view) {
    base_weight = view.base_weight;
    base_type = storage_type<Base>();
    memory = own_memory(view);
  }
};

}  // namespace detail

LORAPRO_NAMESPACE_END
