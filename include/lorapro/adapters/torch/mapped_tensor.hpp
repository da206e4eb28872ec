// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/engine.hpp>
#include <lorapro/core/view.hpp>

#include <torch/types.h>  // torch::empty_like

#include <type_traits>  // std::is_same_v
#include <vector>       // std::vector

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

inline torch::ScalarType torch_type(StorageType type) {
  switch (type) {
    case StorageType::f32:
      return torch::kFloat;
    case StorageType::f64:
      return torch::kDouble;
    case StorageType::bf16:
      return torch::kBFloat16;
    default:
      return torch::kHalf;
  }
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

/// Columns of a matrix as its memory has it, which is the transpose where columns lie together; 0
/// for a tensor that is no matrix.
inline Index columns_in_memory(const torch::Tensor& tensor) {
  if (tensor.dim() != 2) return 0;
  return tensor.is_contiguous() ? tensor.size(1) : tensor.size(0);
}

/// One parameter and its gradient where they were at the last step.
class MappedTensor {
 public:
  /// \param is_factor  whether its view has strides, or is one run of memory.
  MappedTensor(const torch::Tensor& parameter, bool is_factor)
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

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
