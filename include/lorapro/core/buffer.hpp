// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <algorithm>  // std::fill
#include <memory>     // std::unique_ptr
#include <new>        // std::align_val_t

LORAPRO_NAMESPACE_BEGIN

/// Fixed-size zero-initialised array, aligned to a cache line whatever instruction set the unit is
/// compiled for. Moving it keeps its address, so views on it survive a move of the owner.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size) : size_(size) {
    if (size == 0) return;
    const auto bytes = static_cast<std::size_t>(size) * sizeof(T);
    data_.reset(static_cast<T*>(::operator new (bytes, std::align_val_t{kAlignment})));
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
    void operator()(T* pointer) const { ::operator delete (pointer, std::align_val_t{kAlignment}); }
  };

  std::unique_ptr<T[], Release> data_;
  Index size_ = 0;
};

LORAPRO_NAMESPACE_END
