// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/optim/checked_view.hpp>
#include <lorapro/optim/factor_elements.hpp>
#include <lorapro/optim/groups.hpp>
#include <lorapro/optim/rule_checks.hpp>

#include <string>  // std::string

LORAPRO_NAMESPACE_BEGIN

/// \name Handles, valid for the optimizer that gave them
/// @{
struct PairId {
  Index index = 0;
};
struct DenseId {
  Index index = 0;
};
/// @}

namespace detail {

/// Overloads for DenseId are templates, so that a number in braces, as in detach({0}), is a pair's.
template <typename Id>
using IfDenseId = std::enable_if_t<std::is_same_v<Id, DenseId>, int>;

/// Streams of random numbers (Slot::stream): pairs have their number, dense parameters this plus
/// theirs.
inline constexpr std::uint64_t kDenseStreams = std::uint64_t{1} << 32;

/// What the optimizer keeps of anything attached, beside the rule's state.
struct Slot {
  std::string name;
  Index group = 0;
  std::int64_t step = 0;
  Index cost_ns = 0;         ///< RuleWorkspace::cost_ns
  std::uint64_t stream = 0;  ///< of the random numbers that round its state
  bool active = true;        ///< false: steps pass it by, as if it were not attached
  bool frozen = false;       ///< steps leave it out, and count it as such
  bool left_out = false;     ///< the next step leaves it out
  /// Of a pair, from its first step on. It cannot be told later from the factors alone, whatever
  /// their scale.
  Side free_factor = Side::B;
  StepContext context;
  Preparation preparation;
  AddressRange parameters[2];  ///< A and B, or a dense parameter and nothing
  AddressRange gradients[2];

  bool takes_part() const { return active && !frozen && !left_out; }

  /// Begins a step. \param grad_scale  1 / (loss scale x accumulated batches).
  void set_context(const OptimizerConfig& config, const GroupConfig& of_group, double grad_scale) {
    context.config = &config;
    context.grad_scale = grad_scale;
    context.clip = 1;
    context.step = step + 1;
    context.rounding_key =
        derive_key(derive_key(config.seed, static_cast<std::uint64_t>(context.step)), stream);
    context.clip_norm = of_group.clip_norm;
    context.free_factor = free_factor;
  }
};

/// Factor of what a group decays in a step, at this rate.
inline double decay_at(double lr, const GroupConfig& group) { return 1 - lr * group.weight_decay; }

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

  /// Takes the buffers of \p fresh, keeps everything else. Masters stay where they round to the
  /// buffer's value and follow it where it was changed.
  void rebind(const PairSlot& fresh) {
    take_buffers(fresh.pair);
    base_weight = fresh.base_weight;
    base_type = fresh.base_type;
    for (int i = 0; i < 2; ++i) {
      parameters[i] = fresh.parameters[i];
      gradients[i] = fresh.gradients[i];
    }
    follow();
  }

  /// Follows buffers that the caller has moved: those of \p view from now on, of the same shape and
  /// element type. Everything else is kept, masters too (see follow). That they lie apart from what
  /// else is attached is not checked: while several move, some are still where others come to be.
  /// \throws as pair_of, ShapeError, ConfigError (element type); nothing has changed then.
  template <typename T, typename Base>
  void move_to(const LoraView<T, Base>& view) {
    const Pair moved = pair_of(view);
    check_fits(moved.shape());
    if (pair.A.value.type != storage_type<T>())
      throw ConfigError("lora_A: expected the element type that is attached, got another");
    take_buffers(moved);
    locate(view);
  }

  /// \throws ShapeError if this is not the slot's own shape.
  void check_fits(const PairShape& other) const {
    const PairShape own = shape();
    checks::shape("lora_A", other.rank, other.in_features, own.rank, own.in_features);
    checks::shape("lora_B", other.out_features, other.rank, own.out_features, own.rank);
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
  void take_buffers(const Pair& moved) {
    for (const Side side : kSides) {
      pair[side].value = moved[side].value;
      pair[side].grad = moved[side].grad;
    }
    pair.scaling = moved.scaling;
  }

  template <typename T, typename Base>
  void locate(const LoraView<T, Base>& view) {
    base_weight = view.base_weight;
    base_type = storage_type<Base>();
    parameters[0] = address_range(view.lora_A);
    parameters[1] = address_range(view.lora_B);
    gradients[0] = address_range(view.grad_A);
    gradients[1] = address_range(view.grad_B);
  }
};

/// An attached parameter without factors.
template <typename Scalar, typename Rule>
struct DenseSlot : Slot {
  using State = typename RuleStates<Rule, Scalar>::Dense;

  /// \throws as dense_of.
  template <typename T>
  DenseSlot(const DenseView<T>& view, const std::string& name_)
      : dense(dense_of(view)), state(dense) {
    name = name_;
    locate(view);
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
    locate(view);
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

 private:
  template <typename T>
  void locate(const DenseView<T>& view) {
    parameters[0] = range_of(view.value, view.size);
    gradients[0] = range_of(view.grad, view.size);
  }
};

}  // namespace detail

LORAPRO_NAMESPACE_END
