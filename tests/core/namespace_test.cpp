// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/namespace.hpp>

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/error.hpp>

#include <string>    // std::string
#include <typeinfo>  // typeid

#include "support/catch.hpp"

#define LORAPRO_TEST_TEXT_OF(x) #x
#define LORAPRO_TEST_TEXT(x) LORAPRO_TEST_TEXT_OF(x)

namespace {

const std::string kTag = LORAPRO_TEST_TEXT(LORAPRO_ISA_NAMESPACE);

TEST_CASE("the symbols of the library carry the instruction set", "[namespace]") {
  INFO(kTag);
  CHECK(std::string(typeid(lorapro::Buffer<float>).name()).find(kTag) != std::string::npos);
  CHECK(typeid(lorapro::Buffer<float>) == typeid(lorapro::LORAPRO_ISA_NAMESPACE::Buffer<float>));
}

TEST_CASE("exceptions do not, so that units of two instruction sets can catch them",
          "[namespace]") {
  CHECK(std::string(typeid(lorapro::Error).name()).find(kTag) == std::string::npos);
  CHECK(std::string(typeid(lorapro::ShapeError).name()).find(kTag) == std::string::npos);
}

#ifdef LORAPRO_COMPILED
TEST_CASE("the tag is the compiled library's, whatever this is compiled for", "[namespace]") {
  CHECK(kTag == "compiled");
}
#else
bool begins_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

TEST_CASE("the tag tells what the compiler may emit", "[namespace]") {
#ifdef __AVX512F__
  CHECK(begins_with(kTag, "avx512"));
#else
  CHECK_FALSE(begins_with(kTag, "avx512"));
#endif
#if defined(__AVX__) && !defined(__AVX512F__)
  CHECK(begins_with(kTag, "avx"));
#endif
#if defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__)
  CHECK(begins_with(kTag, "avx2_fma"));
#endif
#if defined(__x86_64__) && !defined(__SSE4_1__)
  CHECK(begins_with(kTag, "baseline"));
#endif
#ifdef _OPENMP
  CHECK(ends_with(kTag, "_openmp"));
#else
  CHECK_FALSE(ends_with(kTag, "_openmp"));
#endif
}
#endif

}  // namespace
