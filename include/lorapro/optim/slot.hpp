// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/checked_view.hpp>
#include <lorapro/optim/factor_elements.hpp>
#include <lorapro/optim/groups.hpp>

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
  Index work = 0;            ///< see rule.hpp
  std::uint64_t stream = 0;  ///< of the random numbers that round its state
  bool active = true;        ///< false: steps pass it by, as if it were not attached
  bool frozen = false;       ///< steps leave it out, and count it as such
  bool left_out = false;     ///< the next step leaves it out
  /// Of a pair, from its first step on. It cannot be told later from the factors alone, whatever
  /// their scale.
  FreeFactor free_factor = FreeFactor::lora_B;
  StepContext context;
  Preparation preparation;
  AddressRange parameters[2];  ///< A and B, or a dense parameter and nothing
  AddressRange gradients[2];

  bool takes_part() const { return active && !frozen && !left_out; }
};

/// An attached pair: the caller's buffers, the rule's state, and float masters of A and B where
/// these are stored in less.
template <typename Scalar, typename Rule>
struct PairSlot : Slot {
  using State = typename Rule::template PairState<Scalar>;

  /// \throws as pair_of.
  template <typename T, typename Base>
  PairSlot(const LoraView<T, Base>& view, const std::string& name_)
      : pair(pair_of(view)), state(pair.out_features, pair.in_features, pair.rank) {
    name = name_;
    locate(view);
    work = State::work(pair.out_features, pair.in_features, pair.rank);
    if constexpr (!std::is_same_v<T, Scalar>) {
      master_A = Buffer<Scalar>(pair.rank * pair.in_features);
      master_B = Buffer<Scalar>(pair.out_features * pair.rank);
      pair.master_A = state_of_A(master_A, pair.rank, pair.in_features);
      pair.master_B = state_of_B(master_B, pair.rank, pair.out_features);
      follow();
    }
  }

  /// Takes the buffers of \p fresh, keeps everything else. Masters stay where they round to the
  /// buffer's value and follow it where it was changed.
  void rebind(const PairSlot& fresh) {
    pair.model = fresh.pair.model;
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
    checks::shape("lora_A", moved.rank, moved.in_features, pair.rank, pair.in_features);
    checks::shape("lora_B", moved.out_features, moved.rank, pair.out_features, pair.rank);
    if (pair.model.lora_A.type != storage_type<T>())
      throw ConfigError("lora_A: expected the element type that is attached, got another");
    pair.model = moved.model;
    locate(view);
  }

  /// Takes over into the masters, where there are any, what the caller has changed in A and B:
  /// masters stay where they round to the buffer's value.
  void follow() {
    if (master_A.size() == 0) return;
    follow_model<Scalar>(pair.model.lora_A, pair.master_A);
    follow_model<Scalar>(pair.model.lora_B, pair.master_B);
  }

  /// Decides before the first step which factor is free: A if it is zero and B is not.
  void choose_free_factor() {
    const bool A_is_zero = is_zero(pair.model.lora_A) && !is_zero(pair.model.lora_B);
    free_factor = A_is_zero ? FreeFactor::lora_A : FreeFactor::lora_B;
  }

  void reset() {
    state = State(pair.out_features, pair.in_features, pair.rank);
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
    set_zero(pair.model.grad_A);
    set_zero(pair.model.grad_B);
  }

  /// Calls visitor(name, tensor) for the caller's matrices that a step writes, as StridedTensor.
  /// \param with_base  whether a step writes W0 as well.
  template <typename Visitor>
  void visit_parameters(bool with_base, Visitor&& visitor) {
    visit_storage_type(pair.model.lora_A.type, [&](auto zero) {
      using T = decltype(zero);
      const FactorView &A = pair.model.lora_A, &B = pair.model.lora_B;
      visitor("lora_A", StridedTensor<T>({static_cast<T*>(A.data), pair.rank, pair.in_features,
                                          A.rank_stride, A.length_stride}));
      visitor("lora_B", StridedTensor<T>({static_cast<T*>(B.data), pair.out_features, pair.rank,
                                          B.length_stride, B.rank_stride}));
    });
    if (!with_base || base_weight == nullptr) return;
    visit_storage_type(base_type, [&](auto zero) {
      using T = decltype(zero);
      visitor("base_weight", StridedTensor<T>({static_cast<T*>(base_weight), pair.out_features,
                                               pair.in_features, pair.in_features, 1}));
    });
  }

  /// Calls visitor(name, tensor) for the masters, where there are any.
  template <typename Visitor>
  void visit_masters(Visitor&& visitor) {
    if (master_A.size() == 0) return;
    visitor("master_A", StateTensor<Scalar>(master_A.data(), pair.rank, pair.in_features));
    visitor("master_B", StateTensor<Scalar>(master_B.data(), pair.out_features, pair.rank));
  }

  Pair pair;
  State state;
  PairSolver* solver = nullptr;  ///< what the state's measure returned, where it has one
  Buffer<Scalar> master_A, master_B;
  void* base_weight = nullptr;
  StorageType base_type = StorageType::f32;

 private:
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

/// The rule's state of a dense parameter, from its shape where the rule asks for it.
template <typename State>
State dense_state_of(const Dense& dense) {
  if constexpr (std::is_constructible_v<State, const Dense&>) {
    return State(dense);
  } else {
    return State(dense.value.rank * dense.value.length);
  }
}

/// An attached parameter without factors.
template <typename Scalar, typename Rule>
struct DenseSlot : Slot {
  using State = typename Rule::template DenseState<Scalar>;

  /// \throws as dense_of.
  template <typename T>
  DenseSlot(const DenseView<T>& view, const std::string& name_)
      : dense(dense_of(view)), state(dense_state_of<State>(dense)) {
    name = name_;
    locate(view);
    work = view.size / 4;
    if constexpr (!std::is_same_v<T, Scalar>) {
      master = Buffer<Scalar>(view.size);
      dense.master = state_of_B(master, dense.value.rank, dense.value.length);
      follow();
    }
  }

  Index size() const { return dense.value.rank * dense.value.length; }

  /// \throws ShapeError (another size), ConfigError (another element type).
  template <typename T>
  void check_fits(const DenseView<T>& view) const {
    checks::shape("value", 1, view.size, 1, size());
    if (dense.value.type != storage_type<T>())
      throw ConfigError("value: expected the element type that is attached, got another");
  }

  /// As PairSlot::move_to. \throws as dense_of and check_fits.
  template <typename T>
  void move_to(const DenseView<T>& view) {
    const Dense moved = dense_of(view);
    check_fits(view);
    dense.value = moved.value;
    dense.grad = moved.grad;
    locate(view);
  }

  /// As PairSlot::follow.
  void follow() {
    if (master.size() > 0) follow_model<Scalar>(dense.value, dense.master);
  }

  void zero_grad() { set_zero(dense.grad); }

  /// Calls visitor(name, tensor) for the parameter, a StridedTensor.
  template <typename Visitor>
  void visit_parameters(bool /*with_base*/, Visitor&& visitor) {
    visit_storage_type(dense.value.type, [&](auto zero) {
      using T = decltype(zero);
      const Index size = dense.value.rank * dense.value.length;
      visitor("value", StridedTensor<T>({static_cast<T*>(dense.value.data), 1, size, size, 1}));
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
