// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_scales.hpp>

#include <limits>

#include "support/adapter_modules.hpp"
#include "support/catch.hpp"

namespace {

using lorapro::io::AdapterModule;
using lorapro::io::detail::GgufScales;

AdapterModule scaled_module(lorapro::Index rank, double alpha, bool use_rslora = false) {
  AdapterModule out;
  out.path = "m";
  out.rank = rank;
  out.lora_alpha = alpha;
  out.use_rslora = use_rslora;
  return out;
}

TEST_CASE("the common alpha suits most modules, and the others are multiplied", "[gguf_scales]") {
  const AdapterModule two = scaled_module(4, 2), eight = scaled_module(16, 8);
  const GgufScales scales({two, eight, scaled_module(8, 2)});
  CHECK(scales.alpha() == 2);
  CHECK(scales.factor(two) == 1);
  CHECK(scales.factor(eight) == 4);
  // alpha / sqrt(rank) = (alpha sqrt(rank)) / rank.
  const AdapterModule rslora = scaled_module(4, 3, true);
  CHECK(GgufScales({rslora}).alpha() == 6);
}

TEST_CASE("an alpha that llama.cpp takes for another is not the common one", "[gguf_scales]") {
  const AdapterModule zero = scaled_module(4, 0), tiny = scaled_module(4, 1e-40);
  const GgufScales scales({zero, zero, tiny, tiny, scaled_module(4, 5)});
  CHECK(scales.alpha() == 5);
  CHECK(scales.factor(zero) == 0);
  CHECK(GgufScales({zero}).alpha() == 1);
  CHECK(GgufScales({scaled_module(4, 1e300)}).alpha() == 1);
}

}  // namespace
