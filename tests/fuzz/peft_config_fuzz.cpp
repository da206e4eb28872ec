// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/fitted_config.hpp>

#include <cstdlib>  // std::abort

// What was read is written and read again, and answers for a path. Fitted to the path, it takes it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using lorapro::io::PeftConfig;
  try {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const PeftConfig config = PeftConfig::parse(input, "x");
    constexpr std::string_view kPath = "model.layers.10.self_attn.q_proj";
    const auto rank = config.rank_of(kPath);
    const std::string text = config.text();
    const PeftConfig again = PeftConfig::parse(text, "x");
    if (again.text() != text || again.rank_of(kPath) != rank ||
        again.targets(kPath) != config.targets(kPath))
      std::abort();
    lorapro::io::AdapterModules modules(1);
    modules[0].path = kPath;
    modules[0].rank = 3;
    const PeftConfig fitted = PeftConfig::parse(fitted_config(config, modules).text(), "x");
    if (lorapro::io::PeftTargets(fitted).of(kPath) != lorapro::io::Targeted::yes ||
        fitted.rank_of(kPath) != 3)
      std::abort();
  } catch (const lorapro::FormatError&) {
  }
  return 0;
}
