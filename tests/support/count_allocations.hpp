// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Every operator new of an executable counts, and Eigen, which calls malloc itself, is told to
/// assert. Not inlined: the compiler may remove a pair of new and delete that it sees through. To
/// be included in the one file of the executable that has Eigen, before any other header. What the
/// file tests comes from the headers, since Eigen asserts only where its code is compiled here.
#undef LORAPRO_COMPILED

#include <atomic>   // std::atomic
#include <cstddef>  // std::max_align_t
#include <cstdlib>  // std::aligned_alloc, std::free
#include <new>      // std::bad_alloc

namespace {
std::atomic<long> allocations{0};
}  // namespace

#ifndef EIGEN_RUNTIME_NO_MALLOC
#error "define EIGEN_RUNTIME_NO_MALLOC first"
#endif
#undef eigen_assert
#define eigen_assert(condition)      \
  do {                               \
    if (!(condition)) ++allocations; \
  } while (false)

#include <Eigen/Core>

namespace {

void* count_and_allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* const memory =
      std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  return count_and_allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return count_and_allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment) {
  return operator new(size, alignment);
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return operator new(size);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return operator new(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace {

template <typename Body>
long allocations_of(const Body& body) {
  const long before = allocations;
  Eigen::internal::set_is_malloc_allowed(false);
  body();
  Eigen::internal::set_is_malloc_allowed(true);
  return allocations - before;
}

}  // namespace
