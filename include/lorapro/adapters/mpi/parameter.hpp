// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/optim/base_optimizer.hpp>

#include <cstring>  // std::memcpy

LORAPRO_NAMESPACE_BEGIN
namespace mpi {
namespace detail {

using ::lorapro::detail::for_each_element;

/// A view with the shape of `factor` on packed memory, whose order depends on nothing but the
/// shape, so that it is the same on every rank: lora_A row-major as (rank, in), lora_B as
/// (out, rank).
inline FactorView packed(const FactorView& factor, bool is_B, StorageType type, void* data) {
  return {data,
          type,
          factor.rank,
          factor.length,
          is_B ? Index{1} : factor.length,
          is_B ? factor.rank : Index{1}};
}

/// Copies a view into one of its shape that is packed, or the other way, with conversion.
inline void copy_elements(const FactorView& from, const FactorView& to) {
  if (from.type == to.type && from.rank_stride == to.rank_stride &&
      from.length_stride == to.length_stride) {
    const std::size_t bytes =
        static_cast<std::size_t>(from.rank * from.length) * storage_bytes(from.type);
    std::memcpy(to.data, from.data, bytes);
    return;
  }
  visit_storage_type(from.type, [&](auto from_zero) {
    visit_storage_type(to.type, [&](auto to_zero) {
      using From = decltype(from_zero);
      using To = decltype(to_zero);
      using Between = std::conditional_t<std::is_same_v<From, double>, double, float>;
      for_each_element(from, to, [&](Index at, Index there) {
        static_cast<To*>(to.data)[there] =
            static_cast<To>(static_cast<Between>(static_cast<const From*>(from.data)[at]));
      });
    });
  });
}

/// A hash of bits that tells apart what differs anywhere; no protection against intent.
class Hash {
 public:
  void add(std::uint64_t word) { state_ = derive_key(state_, word); }
  void add(Index number) { add(static_cast<std::uint64_t>(number)); }
  void add(int number) { add(static_cast<Index>(number)); }
  void add(double number) {
    std::uint64_t word = 0;
    std::memcpy(&word, &number, sizeof word);
    add(word);
  }
  void add(const std::string& text) {
    add(static_cast<Index>(text.size()));
    add_bytes(text.data(), text.size());
  }
  void add_bytes(const void* data, std::size_t size) {
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, static_cast<const char*>(data) + at, (std::min)(size - at, sizeof word));
      add(word);
    }
  }
  /// Of a factor's elements, whatever its strides.
  void add(const FactorView& factor, bool is_B) {
    visit_storage_type(factor.type, [&](auto zero) {
      using T = decltype(zero);
      for_each_element(packed(factor, is_B, factor.type, factor.data), factor,
                       [&](Index, Index at) {
                         std::uint64_t word = 0;
                         std::memcpy(&word, static_cast<const T*>(factor.data) + at, sizeof(T));
                         add(word);
                       });
    });
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
};

/// A parameter of the model on this rank, whoever owns it: the caller's buffers, and no state.
struct Parameter : ::lorapro::detail::Slot {
  bool is_pair = false;
  int factor_count = 1;  ///< A and B, or one
  FactorView factors[2], factor_grads[2];
  Index rows = 0, cols = 0;  ///< of W, or of a dense matrix
  double scaling = 1;
  void* base_weight = nullptr;
  StorageType base_type = StorageType::f32;
  Index cost = 0;         ///< see pair_cost
  int owner = 0;          ///< rank
  std::size_t block = 0;  ///< of the reduction

  Index size() const {
    Index sum = 0;
    for (int i = 0; i < factor_count; ++i) sum += factors[i].rank * factors[i].length;
    return sum;
  }
  StorageType type() const { return factors[0].type; }
  /// Whether factor i is packed with the rank inside: B, and rows of a dense parameter.
  bool rank_inside(int i) const { return !is_pair || i == 1; }

  void pack_gradients(StorageType packed_type, void* to) const {
    for_each_packed(factor_grads, packed_type, to,
                    [](const auto& own, const auto& other) { copy_elements(own, other); });
  }
  void unpack_gradients(StorageType packed_type, void* from) const {
    for_each_packed(factor_grads, packed_type, from,
                    [](const auto& own, const auto& other) { copy_elements(other, own); });
  }
  void pack_values(void* to) const {
    for_each_packed(factors, type(), to,
                    [](const auto& own, const auto& other) { copy_elements(own, other); });
  }
  void unpack_values(void* from) const {
    for_each_packed(factors, type(), from,
                    [](const auto& own, const auto& other) { copy_elements(other, own); });
  }

  /// Of the values, with W0 where steps change it.
  std::uint64_t hash(bool with_base) const {
    Hash hash;
    for (int i = 0; i < factor_count; ++i) hash.add(factors[i], rank_inside(i));
    if (with_base && base_weight != nullptr)
      hash.add_bytes(base_weight, static_cast<std::size_t>(rows * cols) * storage_bytes(base_type));
    return hash.value();
  }

  /// Of all that has to be the same on every rank besides the values.
  std::uint64_t hash_of_description() const {
    Hash hash;
    hash.add(name);
    hash.add(group);
    hash.add(static_cast<int>(is_pair));
    for (int i = 0; i < factor_count; ++i) {
      hash.add(factors[i].rank);
      hash.add(factors[i].length);
    }
    hash.add(static_cast<int>(type()));
    hash.add(cols);
    hash.add(scaling);
    hash.add(static_cast<int>(base_weight != nullptr));
    hash.add(static_cast<int>(base_type));
    return hash.value();
  }

 private:
  template <typename Copy>
  void for_each_packed(const FactorView* views, StorageType packed_type, void* packed_values,
                       const Copy& copy) const {
    auto* bytes = static_cast<unsigned char*>(packed_values);
    for (int i = 0; i < factor_count; ++i) {
      copy(views[i], packed(views[i], rank_inside(i), packed_type, bytes));
      bytes +=
          static_cast<std::size_t>(views[i].rank * views[i].length) * storage_bytes(packed_type);
    }
  }
};

/// \throws as Optimizer::attach.
template <typename T, typename Base>
Parameter parameter_of(const LoraView<T, Base>& view, const std::string& name) {
  const ::lorapro::detail::GivenPair given = ::lorapro::detail::given(view);
  const Pair& pair = given.pair;
  Parameter parameter;
  parameter.name = name;
  parameter.is_pair = true;
  parameter.factor_count = 2;
  parameter.factors[0] = pair.A.value;
  parameter.factors[1] = pair.B.value;
  parameter.factor_grads[0] = pair.A.grad;
  parameter.factor_grads[1] = pair.B.grad;
  parameter.rows = pair.B.value.length;
  parameter.cols = pair.A.value.length;
  parameter.scaling = pair.scaling;
  parameter.base_weight = given.base.data;
  parameter.base_type = given.base.type;
  parameter.memory = given.memory;
  return parameter;
}

/// \throws as Optimizer::attach.
template <typename T>
Parameter parameter_of(const DenseView<T>& view, const std::string& name) {
  const ::lorapro::detail::GivenDense given = ::lorapro::detail::given(view);
  const Dense& dense = given.dense;
  Parameter parameter;
  parameter.name = name;
  parameter.factors[0] = dense.factor.value;
  parameter.factor_grads[0] = dense.factor.grad;
  parameter.rows = dense.rows;
  parameter.cols = dense.cols;
  parameter.memory = given.memory;
  return parameter;
}

/// Of the options that have to be the same on every rank.
template <typename Scalar>
std::uint64_t hash_of_options(const BaseOptimizer<Scalar>& optimizer) {
  Hash hash;
  const OptimizerConfig& config = optimizer.config();
  for (const double number :
       {*config.beta1, config.beta2, config.eps, config.damping, *config.max_relative_move,
        config.schedule.factor(1), config.schedule.factor(1000)})
    hash.add(number);
  hash.add(static_cast<int>(config.gauge));
  hash.add(config.seed);
  for (Index i = 0; i < optimizer.group_count(); ++i) {
    const GroupConfig& group = optimizer.group({i});
    for (const double number :
         {group.lr, group.loraplus_lr_ratio, group.weight_decay, group.max_grad_norm})
      hash.add(number);
    hash.add(static_cast<int>(group.decay_target));
    hash.add(static_cast<int>(group.clip_norm));
  }
  return hash.value();
}

}  // namespace detail
}  // namespace mpi
LORAPRO_NAMESPACE_END
