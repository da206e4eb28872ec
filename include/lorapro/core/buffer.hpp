// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <algorithm>  // std::fill
#include <cstdint>    // std::uintptr_t
#include <memory>     // std::unique_ptr
#include <new>        // operator new

LORAPRO_NAMESPACE_BEGIN

/// Fixed-size zero-initialised array, aligned to a cache line whatever instruction set the unit is
/// compiled for. Moving it keeps its address, so views on it survive a move of the owner.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size) : size_(size) {
    if (size == 0) return;
    // Not the aligned operator new: that of glibc takes several times as long, and buffers are
    // many.
    const auto bytes = static_cast<std::size_t>(size) * sizeof(T);
    void* const block = ::operator new(bytes + kAlignment);
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    data_ = std::unique_ptr<T[], Release>(
        reinterpret_cast<T*>((address + kAlignment - 1) / kAlignment * kAlignment), {block});
    std::fill(begin(), end(), T(0));
  }

  /// Makes room for at least `size` elements; contents are zero if it had to grow.
  void reserve(Index size) {
    if (size > size_) *this = Buffer(size);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  Index size() const { return size_; }
  T& operator[](Index i) { return data_.get()[i]; }
  const T& operator[](Index i) const { return data_.get()[i]; }

 private:
  static constexpr std::size_t kAlignment = 64;
  struct Release {
    void* block = nullptr;  ///< that the data lies in
    void operator()(T*) const { ::operator delete(block); }
  };

  std::unique_ptr<T[], Release> data_;
  Index size_ = 0;
};

LORAPRO_NAMESPACE_END
