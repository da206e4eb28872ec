// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/peft_targets.hpp>

#include "support/catch.hpp"
#include "support/peft_rule.hpp"
#include "support/random.hpp"

namespace {

using lorapro::io::PeftConfig;
using lorapro::io::PeftTargets;
using lorapro::io::Targeted;

/// The answer for a path, of a config with these fields.
Targeted answer(const std::string& fields, const std::string& path) {
  return PeftTargets(PeftConfig::parse(R"({"peft_type": "LORA", )" + fields + "}", "c")).of(path);
}

TEST_CASE("a list takes paths and their ends behind a dot", "[peft_targets]") {
  const std::string list = R"("target_modules": ["q_proj", "layers.1.v"])";
  CHECK(answer(list, "q_proj") == Targeted::yes);
  CHECK(answer(list, "model.q_proj") == Targeted::yes);
  CHECK(answer(list, "model.xq_proj") == Targeted::no);
  CHECK(answer(list, "model.q_proj.x") == Targeted::no);
  CHECK(answer(list, "model.layers.1.v") == Targeted::yes);
  CHECK(answer(list, "model.layers.11.v") == Targeted::no);
}

TEST_CASE("a pattern takes whole paths, and one that is not understood leaves it open",
          "[peft_targets]") {
  CHECK(answer(R"("target_modules": ".*\\.[qv]")", "a.q") == Targeted::yes);
  CHECK(answer(R"("target_modules": ".*\\.[qv]")", "a.qx") == Targeted::no);
  CHECK(answer(R"("target_modules": "(?!b).*q")", "a.q") == Targeted::unknown);
  CHECK(answer(R"("target_modules": "(")", "a.q") == Targeted::unknown);
  CHECK(answer(R"("target_modules": "a.q")", "a.\u00e9q") == Targeted::unknown);
  CHECK(answer(R"("target_modules": "All-Linear")", "a.q") == Targeted::yes);
  CHECK(answer(R"("target_modules": "all-linear")", "lm_head") == Targeted::unknown);
  CHECK(answer(R"("target_modules": null)", "a.q") == Targeted::unknown);
}

TEST_CASE("excluded modules and saved ones get no adapter", "[peft_targets]") {
  const std::string list = R"("target_modules": ["q", "dense"], )";
  CHECK(answer(list + R"("exclude_modules": ["layers.1.q"])", "m.layers.1.q") == Targeted::no);
  CHECK(answer(list + R"("exclude_modules": ["layers.1.q"])", "m.layers.2.q") == Targeted::yes);
  CHECK(answer(list + R"("exclude_modules": ".*1.*")", "m.layers.1.q") == Targeted::no);
  CHECK(answer(list + R"("exclude_modules": ".*1.*")", "m.layers.2.q") == Targeted::yes);
  CHECK(answer(list + R"("exclude_modules": "(?=m).*")", "m.layers.2.q") == Targeted::unknown);
  CHECK(answer(list + R"("exclude_modules": "(?=m).*")", "m.layers.2.k") == Targeted::no);
  CHECK(answer(list + R"("modules_to_save": ["classifier"])", "classifier.dense") == Targeted::no);
  CHECK(answer(list + R"("modules_to_save": ["m.classifier"])", "m.classifier.dense") ==
        Targeted::no);
  CHECK(answer(list + R"("modules_to_save": ["m.cl"])", "a.mxcl.dense") == Targeted::no);
  CHECK(answer(list + R"("modules_to_save": ["(?=c)x"])", "a.dense") == Targeted::unknown);
  // This one is wrapped by PEFT with the adapter in it.
  CHECK(answer(list + R"("modules_to_save": ["ense"])", "a.dense") == Targeted::no);
  CHECK(answer(list + R"("modules_to_save": ["norm"])", "a.dense") == Targeted::yes);
}

TEST_CASE("layers are told by the last number with a name on each side", "[peft_targets]") {
  const std::string list = R"("target_modules": ["q", "m.layers.7.q"], "layers_to_transform": )";
  CHECK(answer(list + "[0, 2]", "m.layers.2.q") == Targeted::yes);
  CHECK(answer(list + "[0, 2]", "m.layers.02.q") == Targeted::yes);
  CHECK(answer(list + "[0, 2]", "m.layers.1.q") == Targeted::no);
  CHECK(answer(list + "[0, 2]", "m.layers.22.q") == Targeted::no);
  CHECK(answer(list + "2", "m.layers.2.q") == Targeted::yes);
  CHECK(answer(list + "0", "m.layers.0.q") == Targeted::yes);
  CHECK(answer(list + "0", "m.layers.00.q") == Targeted::yes);
  CHECK(answer(list + "[]", "m.layers.1.q") == Targeted::yes);
  CHECK(answer(list + "[2]", "layers.2.q") == Targeted::no);  // no name before the list's
  CHECK(answer(list + "[2]", "m.q") == Targeted::no);
  CHECK(answer(list + "[2]", "m.layers.7.q") == Targeted::yes);  // named by itself
  CHECK(answer(list + "[2]", "m.layers.99999999999999999999.q") == Targeted::no);
  CHECK(answer(list + "[3]", "m.layers.2.experts.3.q") == Targeted::yes);
  const std::string pattern = R"(, "layers_pattern": )";
  CHECK(answer(list + "[2]" + pattern + R"("layers")", "m.layers.2.experts.3.q") == Targeted::yes);
  CHECK(answer(list + "[2]" + pattern + R"(["h", "layers"])", "m.layers.2.q") == Targeted::yes);
  CHECK(answer(list + "[2]" + pattern + R"(["h"])", "m.layers.2.q") == Targeted::no);
  CHECK(answer(list + "[2]" + pattern + R"("h.*")", "m.layers.2.q") == Targeted::unknown);
  CHECK(answer(list + "[2]" + pattern + R"("")", "m.layers.2.q") == Targeted::yes);
}

TEST_CASE("fields that LoraConfig refuses together take no module", "[peft_targets]") {
  CHECK(answer(R"("target_modules": ".*", "layers_to_transform": [0])", "m.h.0.q") == Targeted::no);
  CHECK(answer(R"("target_modules": ".*", "layers_pattern": "h")", "m.h.0.q") == Targeted::no);
  const std::string list = R"("target_modules": ["q"], "layers_pattern": "h")";
  CHECK(answer(list, "m.h.0.q") == Targeted::no);
  CHECK(answer(list + R"(, "layers_to_transform": 0)", "m.h.0.q") == Targeted::no);
  CHECK(answer(list + R"(, "layers_to_transform": [0])", "m.h.0.q") == Targeted::yes);
}

TEST_CASE("a long list of paths may be shortened, so that layers count again", "[peft_targets]") {
  std::string list = R"("layers_to_transform": [1], "target_modules": ["m.h.0.q")";
  for (int k = 1; k < 19; ++k) list += ", \"m.h." + std::to_string(k) + ".q\"";
  CHECK(answer(list + "]", "m.h.0.q") == Targeted::yes);
  CHECK(answer(list + ", \"x\"]", "m.h.0.q") == Targeted::unknown);
  CHECK(answer(list + ", \"x\"]", "m.h.1.q") == Targeted::yes);
}

TEST_CASE("random configs against PEFT's rule", "[peft_targets]") {
  LORAPRO_TEST_RANDOM(random, 32);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random.bits() % n); };
  const auto one_of = [&](const std::vector<std::string>& values) {
    return values[pick(values.size())];
  };
  int made = 0, left = 0, unknown = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string text =
        R"({"peft_type": "LORA", "target_modules": )" +
        one_of({R"(["q"])", R"(["q", "v"])", R"(["h.0.q", "m.h.1.v"])", R"(".*\\.[qv]")",
                R"(".*\\.h\\.[0-2]\\..*")", R"(["h.10.q", "x"])"}) +
        R"(, "exclude_modules": )" +
        one_of({"null", "null", "[]", R"(["v"])", R"(["h.1.q", "x"])", R"(".*\\.1\\..*")"}) +
        R"(, "layers_to_transform": )" +
        one_of({"null", "null", "[]", "0", "1", "[0]", "[1, 10]", "[0, 1, 2]"}) +
        R"(, "layers_pattern": )" +
        one_of({"null", "null", "\"\"", "[]", R"("h")", R"(["x", "h"])", R"(["b"])"}) +
        R"(, "modules_to_save": )" + one_of({"null", "null", R"(["s"])", R"(["h.1"])"}) + "}";
    const PeftTargets targets(PeftConfig::parse(text, "c"));
    const auto config = nlohmann::json::parse(text);
    for (int k = 0; k < 4; ++k) {
      const std::string path = one_of({"m.", "", "m.b.1.", "s.m.", "x.s."}) +
                               one_of({"h.", "x.", "bh."}) + one_of({"0.", "1.", "10.", "2."}) +
                               one_of({"q", "v", "k", "attn.q", "e.1.v"});
      CAPTURE(text, path);
      const Targeted came = targets.of(path);
      if (came == Targeted::unknown) {
        ++unknown;
        continue;
      }
      const bool expected = peft_rule::makes(config, path);
      CHECK((came == Targeted::yes) == expected);
      ++(expected ? made : left);
    }
  }
  CHECK(made > 500);
  CHECK(left > 1000);
  CHECK(unknown == 0);
}

}  // namespace
