// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/fitted_config.hpp>

#include "support/adapter_modules.hpp"
#include "support/peft_rule.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::io::AdapterModule;
using lorapro::io::AdapterModules;
using lorapro::io::fitted_config;
using lorapro::io::PeftConfig;
using lorapro::io::ReplacedTensor;

/// Modules of these paths; no test here asks for their factors.
AdapterModules modules_at(const std::vector<std::string>& paths) {
  AdapterModules out;
  for (const std::string& path : paths) {
    out.emplace_back();
    out.back().path = path;
    out.back().rank = 8;
    out.back().lora_alpha = 8;
  }
  return out;
}

std::vector<ReplacedTensor> whole(const std::vector<std::string>& names) {
  std::vector<ReplacedTensor> out;
  for (const std::string& name : names) out.push_back({name, nullptr, {}});
  return out;
}

PeftConfig peft_config_of(const std::string& fields) {
  return PeftConfig::parse(R"({"peft_type": "LORA", )" + fields + "}", "c");
}

nlohmann::json written(const PeftConfig& config) { return nlohmann::json::parse(config.text()); }

TEST_CASE("fields that leave modules out are written with a list of paths", "[fitted_config]") {
  const auto config =
      peft_config_of(R"("target_modules": ["q_proj", "v_proj"], "layers_pattern": "h",
      "layers_to_transform": [0], "exclude_modules": ["m.h.1.v_proj"])");
  const std::vector<std::string> first{"m.h.0.q_proj", "m.h.0.v_proj"};
  const auto kept = written(fitted_config(config, modules_at(first)));
  CHECK(kept["target_modules"] == nlohmann::json({"q_proj", "v_proj"}));
  CHECK(kept["layers_to_transform"] == nlohmann::json::array({0}));
  CHECK(kept["layers_pattern"] == "h");
  CHECK(kept["exclude_modules"] == nlohmann::json::array({"m.h.1.v_proj"}));
  const std::vector<std::string> more{"m.h.0.q_proj", "m.h.1.q_proj", "m.h.1.v_proj"};
  const auto listed = written(fitted_config(config, modules_at(more)));
  CHECK(listed["target_modules"] == nlohmann::json(more));
  for (const char* const field : {"layers_to_transform", "layers_pattern", "exclude_modules"}) {
    CHECK(listed.contains(field));
    CHECK(listed[field].is_null());
  }
  CHECK_FALSE(written(fitted_config({}, modules_at(more))).contains("exclude_modules"));
}

TEST_CASE("a pattern that is not understood stays with the modules that it was read with",
          "[fitted_config]") {
  auto config = peft_config_of(R"-("target_modules": "^(?!.*visual).*(q|v)_proj")-");
  const std::vector<std::string> paths{"h.0.q_proj", "h.0.v_proj"};
  CHECK(written(config)["target_modules"] == "^(?!.*visual).*(q|v)_proj");
  CHECK(written(fitted_config(config, modules_at(paths)))["target_modules"] ==
        nlohmann::json(paths));
  config.read_with = paths;
  CHECK(written(fitted_config(config, modules_at({paths[1], paths[0]})))["target_modules"] ==
        "^(?!.*visual).*(q|v)_proj");
  CHECK(written(fitted_config(config, modules_at({"h.0.q_proj"})))["target_modules"] ==
        nlohmann::json({"h.0.q_proj"}));
  // What is understood and does not match is no pattern for the modules, wherever it was read.
  config.target_pattern = "q_proj";
  CHECK(written(fitted_config(config, modules_at(paths)))["target_modules"] ==
        nlohmann::json(paths));
}

TEST_CASE("modules that start otherwise than at zero are listed", "[fitted_config]") {
  for (const char* const init : {"false", "\"orthogonal\""}) {
    const auto config =
        peft_config_of("\"target_modules\": [\"q\"], \"init_lora_weights\": " + std::string(init));
    CHECK(fitted_config(config, modules_at({"h.0.q"})).target_modules ==
          std::vector<std::string>{"h.0.q"});
  }
  CHECK(fitted_config(peft_config_of(R"("target_modules": ["q"])"), modules_at({"h.0.q"}))
            .target_modules == std::vector<std::string>{"q"});
}

TEST_CASE("names of modules_to_save keep off the modules with factors", "[fitted_config]") {
  const auto config = peft_config_of(R"("target_modules": ["q", "out_proj"],
      "modules_to_save": ["classifier", "score"])");
  using Names = std::vector<std::string>;
  const auto saved = [&](const PeftConfig& from, const Names& paths, const Names& names) {
    return fitted_config(from, modules_at(paths), whole(names)).modules_to_save;
  };
  const Names classifier{"classifier.dense.weight", "classifier.dense.bias"};
  CHECK(saved(config, {"h.q"}, classifier) == Names{"classifier"});
  CHECK(saved(config, {"h.q"}, {}).empty());
  CHECK(saved(config, {"h.q", "classifier.out_proj"}, classifier) == Names{"classifier.dense"});
  CHECK(saved(config, {"classifier.out_proj"}, {"classifier.out_proj.weight"}).empty());
  CHECK(saved(config, {"h.q"}, {"pre_classifier.weight"}) == Names{"classifier"});
  auto read = config;
  read.read_with = {"h.q"};  // of a model that has no score
  CHECK(saved(read, {"h.q"}, classifier) == Names{"classifier", "score"});
}

TEST_CASE("patterns tell a path from others that their keys match", "[fitted_config]") {
  LORAPRO_TEST_RANDOM(random, 22);
  const AdapterModules modules{support::random_module(random, "q", 2, 2, 1, 1),
                               support::random_module(random, "a.q", 2, 2, 2, 1),
                               support::random_module(random, "axq", 2, 2, 1, 2),
                               support::random_module(random, "b.a.q", 2, 2, 2, 3),
                               support::random_module(random, "b.a(q", 2, 2, 3, 3),
                               support::random_module(random, "c.b.a.q", 2, 2, 5, 4)};
  const PeftConfig again = PeftConfig::parse(fitted_config({}, modules).text(), "c");
  for (const auto& module : modules) {
    CAPTURE(module.path);
    CHECK(again.rank_of(module.path) == module.rank);
    CHECK(again.alpha_of(module.path) == module.lora_alpha);
    CHECK(again.targets(module.path));
  }
}

TEST_CASE("ranks and alphas that the config gives stay as they were written", "[fitted_config]") {
  const auto config = peft_config_of(R"("r": 4, "rank_pattern": {"[kq]": 8}, "lora_alpha": 8)");
  const auto fitted = fitted_config(config, modules_at({"h.0.q", "h.1.k"}));
  CHECK(fitted.r == 4);
  CHECK(fitted.rank_pattern == config.rank_pattern);
  auto modules = modules_at({"h.0.q", "h.1.v", "h.2.v"});
  const auto other = fitted_config(config, modules);
  CHECK(other.r == 8);
  CHECK(other.rank_pattern.empty());
  modules[0].use_rslora = true;
  CHECK_THROWS_WITH(fitted_config(config, modules), contains_text("use_rslora: expected the same"));
  CHECK_THROWS_AS(fitted_config(config, {}), ConfigError);
}

TEST_CASE("PEFT makes exactly what a random config was fitted to", "[fitted_config]") {
  LORAPRO_TEST_RANDOM(random, 33);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random.bits() % n); };
  const auto one_of = [&](const std::vector<std::string>& values) {
    return values[pick(values.size())];
  };
  std::vector<std::string> model;
  for (const char* const layer : {"m.h.0.", "m.h.1.", "m.h.10.", "v.h.1.", "v.x."})
    for (const char* const name : {"q", "v", "e.2.q", "s.q"})
      model.push_back(std::string(layer) + name);
  model.emplace_back("lm_head");
  std::sort(model.begin(), model.end());
  int kept = 0, listed = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string text =
        R"({"peft_type": "LORA", "target_modules": )" +
        one_of({R"(["q"])", R"(["q", "v"])", R"(["h.0.q", "m.h.1.v"])", R"(".*\\.[qv]")", "null",
                R"("m\\.h\\.[0-2]\\..*")", R"("(?!v).*q")", R"("all-linear")"}) +
        R"(, "exclude_modules": )" +
        one_of({"null", "null", R"(["v"])", R"(["h.1.q", "x"])", R"(".*\\.1\\..*")"}) +
        R"(, "layers_to_transform": )" + one_of({"null", "null", "0", "1", "[0]", "[1, 10]"}) +
        R"(, "layers_pattern": )" + one_of({"null", "null", R"("h")", R"(["x", "h"])"}) +
        R"(, "modules_to_save": )" + one_of({"null", R"(["s"])", R"(["head"])"}) + "}";
    const PeftConfig config = PeftConfig::parse(text, "c");
    std::vector<std::string> paths;
    if (round % 2 == 0) {
      // The modules that PEFT makes by the config, if std::regex can tell.
      if (text.find("null, \"ex") != std::string::npos) continue;
      for (const std::string& path : model)
        if (peft_rule::makes(nlohmann::json::parse(text), path)) paths.push_back(path);
    } else {
      for (const std::string& path : model)
        if (pick(2) == 0) paths.push_back(path);
    }
    if (paths.empty()) continue;
    const auto replaced = whole(pick(2) == 0 ? std::vector<std::string>{}
                                             : std::vector<std::string>{"m.h.0.s.x.weight"});
    const auto fields = written(fitted_config(config, modules_at(paths), replaced));
    CAPTURE(text, fields.dump(), paths);
    for (const std::string& path : paths) CHECK(peft_rule::makes(fields, path));
    const bool is_listed = fields["target_modules"] == nlohmann::json(paths);
    if (is_listed || round % 2 == 0)
      for (const std::string& path : model)
        CHECK(peft_rule::makes(fields, path) ==
              (std::find(paths.begin(), paths.end(), path) != paths.end()));
    ++(is_listed ? listed : kept);
  }
  CHECK(kept > 100);
  CHECK(listed > 300);
}

TEST_CASE("many modules are fitted without a look at each pair of them", "[fitted_config]") {
  // 20,000 modules of two ranks: comparing all pairs would not end within the test's time.
  AdapterModules modules;
  for (int k = 0; k < 20000; ++k) {
    modules.push_back(modules_at({"m.h." + std::to_string(k) + ".q"})[0]);
    modules.back().rank = k % 2 == 0 ? 4 : 8;
  }
  const PeftConfig config = fitted_config({}, modules);
  CHECK(config.rank_pattern.size() == 10000);
  CHECK(config.target_modules.size() == 20000);
}

}  // namespace
