// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/dtype.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

namespace io = lorapro::io;
using io::Dtype;
using lorapro::bfloat16;
using lorapro::half;

TEST_CASE("every dtype is found by its name and has its place", "[io][dtype]") {
  for (std::size_t i = 0; i < io::kDtypes.size(); ++i) {
    const io::DtypeInfo& entry = io::kDtypes[i];
    INFO(entry.name);
    CHECK(static_cast<std::size_t>(entry.dtype) == i);
    CHECK(&io::info(entry.dtype) == &entry);
    CHECK(io::dtype_named(entry.name) == entry.dtype);
  }
  for (const char* const name : {"", "f32", "F33", "F8", "F32 "}) CHECK(!io::dtype_named(name));
  CHECK(io::info(Dtype::f4).bits == 4);
  CHECK(io::info(Dtype::f6_e3m2).bits == 6);
  CHECK(io::info(Dtype::boolean).bits == 8);
  CHECK(io::info(Dtype::c64).bits == 64);
}

TEST_CASE("storage types and dtypes correspond", "[io][dtype]") {
  CHECK(io::dtype_of<float>() == Dtype::f32);
  CHECK(io::dtype_of<double>() == Dtype::f64);
  CHECK(io::dtype_of<bfloat16>() == Dtype::bf16);
  CHECK(io::dtype_of<half>() == Dtype::f16);
  int convertible = 0;
  for (const io::DtypeInfo& entry : io::kDtypes) {
    const auto type = io::storage_type_of(entry.dtype);
    if (!type) continue;
    ++convertible;
    CHECK(io::dtype_of(*type) == entry.dtype);
    CHECK(lorapro::storage_bytes(*type) * 8 == entry.bits);
  }
  CHECK(convertible == 4);
}

TEST_CASE("products that do not fit are noticed", "[io][dtype]") {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t product = 0;
  CHECK(io::detail::multiply(0, kMax, product));
  CHECK(product == 0);
  CHECK(io::detail::multiply(kMax, 1, product));
  CHECK(product == kMax);
  CHECK(io::detail::multiply(1ULL << 32, (1ULL << 32) - 1, product));
  CHECK_FALSE(io::detail::multiply(1ULL << 32, 1ULL << 32, product));
  CHECK_FALSE(io::detail::multiply(kMax, kMax, product));
  CHECK_FALSE(io::detail::multiply(3, kMax / 2, product));
}

template <typename From, typename To>
std::vector<To> converted(const std::vector<From>& values) {
  // One byte off, as in a file without alignment.
  std::vector<unsigned char> from(values.size() * sizeof(From) + 1),
      to(values.size() * sizeof(To) + 1);
  std::memcpy(from.data() + 1, values.data(), values.size() * sizeof(From));
  io::detail::convert_bytes<From, To>(from.data() + 1, to.data() + 1, values.size());
  std::vector<To> result(values.size());
  std::memcpy(static_cast<void*>(result.data()), to.data() + 1, values.size() * sizeof(To));
  return result;
}

TEST_CASE("numbers are converted, of every alignment", "[io][dtype]") {
  const std::vector<double> exact{0.0, -0.0, 1.0, -2.5, 0.15625, 240.0};  // in every type
  const auto through = [&](auto zero) {
    using T = decltype(zero);
    const auto stored = converted<double, T>(exact);
    CHECK(converted<T, double>(stored) == exact);
    CHECK(converted<float, T>(converted<T, float>(stored)) == stored);
  };
  through(float{});
  through(double{});
  through(half{});
  through(bfloat16{});
  CHECK(converted<double, float>({0.1}) == std::vector<float>{0.1F});
  CHECK(converted<float, half>({65536.0F})[0] == half(std::numeric_limits<float>::infinity()));
  CHECK(converted<float, bfloat16>({1.0F + 0x1p-9F})[0] == bfloat16(1.0F));
  CHECK(std::isnan(converted<half, float>({half(std::numeric_limits<float>::quiet_NaN())})[0]));
}

}  // namespace
