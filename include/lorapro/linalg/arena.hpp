// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/linalg/square.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Elements of a square matrix.
constexpr Index square_size(Index order) { return order * order; }

/// Memory of a size that is known beforehand, handed out in blocks that stay where they are, also
/// when the arena moves. A size that does not fit what is taken fails an assertion (eigen_assert).
class Arena {
 public:
  explicit Arena(Index size) : memory_(size) {}

  /// Zeros.
  Wide* vector(Index count) {
    eigen_assert(used_ + count <= memory_.size() && "Arena: less was asked for than is taken");
    Wide* const block = memory_.data() + used_;
    used_ += count;
    return block;
  }
  Square square(Index order) { return {vector(square_size(order)), order}; }

  /// Says that everything has been taken.
  void close() const {
    eigen_assert(used_ == memory_.size() && "Arena: more was asked for than is taken");
  }

 private:
  Buffer<Wide> memory_;
  Index used_ = 0;
};

/// Scratch of a caller's. It goes by value: what a function takes from its copy is free again when
/// it returns. To take more than there is fails an assertion (eigen_assert).
template <typename T>
class WorkspaceOf {
 public:
  WorkspaceOf() = default;
  WorkspaceOf(T* data, Index size) : next_(data), left_(size) {}
  explicit WorkspaceOf(Buffer<T>& buffer) : WorkspaceOf(buffer.data(), buffer.size()) {}

  T* vector(Index count) {
    eigen_assert(count <= left_ && "Workspace: less was promised than is taken");
    T* const block = next_;
    next_ += count;
    left_ -= count;
    return block;
  }
  SquareView<T> square(Index order) { return {vector(square_size(order)), order}; }

 private:
  T* next_ = nullptr;
  Index left_ = 0;
};
using Workspace = WorkspaceOf<Wide>;

LORAPRO_NAMESPACE_END
