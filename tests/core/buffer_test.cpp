// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/buffer.hpp>

#include <cstdint>  // std::uintptr_t
#include <utility>  // std::move

#include "support/catch.hpp"

namespace {

using lorapro::Buffer;
using lorapro::Index;

TEMPLATE_TEST_CASE("a Buffer is zero and aligned to a cache line", "[buffer]", float, double,
                   lorapro::bfloat16) {
  for (const Index size : {1, 3, 64, 1001}) {
    CAPTURE(size);
    Buffer<TestType> buffer(size);
    CHECK(buffer.size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
    CHECK(buffer.end() - buffer.begin() == size);
    bool zero = true;
    for (Index i = 0; i < size; ++i) zero = zero && static_cast<float>(buffer[i]) == 0.0F;
    CHECK(zero);
    for (Index i = 0; i < size; ++i) buffer[i] = TestType(1);  // all of it can be written
    const Buffer<TestType>& read = buffer;
    CHECK(read.data() == buffer.data());
    CHECK(static_cast<float>(read[size - 1]) == 1.0F);
  }
}

TEST_CASE("an empty Buffer has no memory", "[buffer]") {
  Buffer<float> none, empty(0);
  CHECK(none.size() == 0);
  CHECK(none.data() == nullptr);
  CHECK(empty.size() == 0);
  CHECK(empty.data() == nullptr);
  CHECK(empty.begin() == empty.end());
}

TEST_CASE("moving a Buffer keeps its address", "[buffer]") {
  Buffer<double> first(10);
  first[3] = 7;
  double* const address = first.data();
  Buffer<double> second(std::move(first));
  CHECK(second.data() == address);
  Buffer<double> third(2);
  third = std::move(second);
  CHECK(third.data() == address);
  CHECK(third.size() == 10);
  CHECK(third[3] == 7);
}

TEST_CASE("reserve grows and never shrinks", "[buffer]") {
  Buffer<float> buffer(8);
  buffer[2] = 5;
  float* const address = buffer.data();
  buffer.reserve(4);
  buffer.reserve(8);
  CHECK(buffer.data() == address);
  CHECK(buffer.size() == 8);
  CHECK(buffer[2] == 5);
  buffer.reserve(9);
  CHECK(buffer.size() == 9);
  for (Index i = 0; i < 9; ++i) CHECK(buffer[i] == 0);
}

}  // namespace
