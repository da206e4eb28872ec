// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/storage.hpp>

#include <cstdint>  // std::uintptr_t
#include <string>   // std::string

LORAPRO_NAMESPACE_BEGIN

/// A matrix that somebody else owns: element (i, j) is at data[i row_stride + j col_stride].
/// Any storage order and any stride; nothing is copied.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index row_stride = 0;
  Index col_stride = 1;

  T& operator()(Index i, Index j) const { return data[i * row_stride + j * col_stride]; }
};

/// View of an Eigen matrix, map or block of any order and stride. Expressions that have no memory
/// of their own do not compile, because they would be evaluated again for every element.
template <typename Derived>
auto make_view(const Eigen::DenseBase<Derived>& matrix) {
  static_assert((Derived::Flags & Eigen::DirectAccessBit) != 0,
                "the argument must have memory of its own: evaluate the expression first");
  using T = typename Derived::Scalar;
  const auto& m = matrix.derived();
  const Index inner = m.innerStride(), outer = m.outerStride();
  return MatrixView<const T>{m.data(), m.rows(), m.cols(), Derived::IsRowMajor ? outer : inner,
                             Derived::IsRowMajor ? inner : outer};
}

/// As above, of something that can be written.
template <typename Derived>
auto make_view(Eigen::DenseBase<Derived>& matrix) {
  const auto view = make_view(const_cast<const Eigen::DenseBase<Derived>&>(matrix));
  using T = typename Derived::Scalar;
  return MatrixView<T>{matrix.derived().data(), view.rows, view.cols, view.row_stride,
                       view.col_stride};
}

template <typename T>
MatrixView<T> make_view(MatrixView<T> view) {
  return view;
}

template <typename T>
MatrixView<T> transposed(const MatrixView<T>& view) {
  return {view.data, view.cols, view.rows, view.col_stride, view.row_stride};
}

/// One LoRA pair in buffers that somebody else owns: W = W0 + scaling lora_B lora_A.
/// \tparam T     Scalar of the optimizer, or bfloat16 or half (the optimizer then keeps masters).
/// \tparam Base  element type of W0.
template <typename T, typename Base = T>
struct LoraView {
  MatrixView<T> lora_A;         ///< (rank, in_features)
  MatrixView<T> lora_B;         ///< (out_features, rank)
  MatrixView<T> grad_A;         ///< dL/dA as backpropagation returns it: scaling B^T G
  MatrixView<T> grad_B;         ///< dL/dB as backpropagation returns it: scaling G A^T
  double scaling = 1.0;         ///< alpha / rank, or alpha / sqrt(rank) for rsLoRA
  Base* base_weight = nullptr;  ///< (out_features, in_features) row-major; merged decay only
};

/// View of four contiguous row-major buffers, the layout of PyTorch and safetensors.
template <typename T>
LoraView<T> row_major_view(T* lora_A, T* lora_B, T* grad_A, T* grad_B, Index out_features,
                           Index in_features, Index rank, double scaling) {
  return {{lora_A, rank, in_features, in_features, 1},
          {lora_B, out_features, rank, rank, 1},
          {grad_A, rank, in_features, in_features, 1},
          {grad_B, out_features, rank, rank, 1},
          scaling};
}

/// The same for column-major buffers, the layout of Armadillo, mlpack and Eigen's default: A, B and
/// their gradients in that order each.
template <typename T>
LoraView<T> column_major_view(T* lora_A, T* lora_B, T* grad_A, T* grad_B, Index out_features,
                              Index in_features, Index rank, double scaling) {
  return {{lora_A, rank, in_features, 1, rank},
          {lora_B, out_features, rank, 1, out_features},
          {grad_A, rank, in_features, 1, rank},
          {grad_B, out_features, rank, 1, out_features},
          scaling};
}

/// A parameter without factors (head, norm, bias, or a matrix under full fine-tuning).
template <typename T>
struct DenseView {
  T* value = nullptr;  ///< contiguous
  T* grad = nullptr;   ///< contiguous; written by zero_grad only
  Index size = 0;
  /// Columns of a row-major matrix (size / cols, cols), for rules that tell matrices from vectors;
  /// 0: just a vector.
  Index cols = 0;
};

namespace detail {

/// Address range [begin, end) that a view can touch.
struct AddressRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool overlaps(const AddressRange& other) const { return begin < other.end && other.begin < end; }
};

template <typename T>
AddressRange address_range(const MatrixView<T>& view) {
  if (view.rows == 0 || view.cols == 0) return {};
  const Index row_span = (view.rows - 1) * view.row_stride;
  const Index col_span = (view.cols - 1) * view.col_stride;
  const Index low = std::min<Index>(0, row_span) + std::min<Index>(0, col_span);
  const Index high = std::max<Index>(0, row_span) + std::max<Index>(0, col_span);
  const auto base = reinterpret_cast<std::uintptr_t>(view.data);
  constexpr auto kBytes = static_cast<Index>(sizeof(T));
  return {base + static_cast<std::uintptr_t>(low * kBytes),
          base + static_cast<std::uintptr_t>((high + 1) * kBytes)};
}

template <typename T>
void check_view(const char* name, const MatrixView<T>& view, Index rows, Index cols) {
  checks::shape(name, view.rows, view.cols, rows, cols);
  if (view.data == nullptr)
    throw ShapeError(std::string(name) + ": expected a buffer, got a null pointer");
}

inline void check_disjoint(const char* name, const AddressRange& range, const char* other_name,
                           const AddressRange& other) {
  if (range.overlaps(other))
    throw ShapeError(std::string(name) + ": expected memory of its own, got memory shared with " +
                     other_name);
}

}  // namespace detail

/// One factor seen with the rank first: lora_A as it is, lora_B transposed, so that both are
/// (rank, length) and one kernel serves both. The element type is known at run time.
struct FactorView {
  void* data = nullptr;
  StorageType type = StorageType::f32;
  Index rank = 0;
  Index length = 0;
  Index rank_stride = 0;    ///< from (k, i) to (k + 1, i)
  Index length_stride = 0;  ///< from (k, i) to (k, i + 1)
};

/// \name Factors from matrices
/// @{
template <typename T>
FactorView factor_of_A(const MatrixView<T>& lora_A) {
  using Plain = std::remove_const_t<T>;
  return {const_cast<Plain*>(lora_A.data),
          storage_type<Plain>(),
          lora_A.rows,
          lora_A.cols,
          lora_A.row_stride,
          lora_A.col_stride};
}

template <typename T>
FactorView factor_of_B(const MatrixView<T>& lora_B) {
  using Plain = std::remove_const_t<T>;
  return {const_cast<Plain*>(lora_B.data),
          storage_type<Plain>(),
          lora_B.cols,
          lora_B.rows,
          lora_B.col_stride,
          lora_B.row_stride};
}
/// @}

LORAPRO_NAMESPACE_END
