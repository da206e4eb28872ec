// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/peft_config.hpp>

#include "support/catch.hpp"
#include "support/peft_folder.hpp"

namespace {

using lorapro::FormatError;
using lorapro::io::PeftConfig;
using peft_folder::config_with;
using peft_folder::kConfig;

PeftConfig parsed(const std::string& text) { return PeftConfig::parse(text, "c.json"); }

TEST_CASE("a config of PEFT's is read", "[peft_config]") {
  const PeftConfig config = parsed(kConfig);
  CHECK(config.base_model_name_or_path == "some/base");
  CHECK(config.r == 2);
  CHECK(config.lora_alpha == 4);
  CHECK_FALSE(config.use_rslora);
  CHECK_FALSE(config.use_dora);
  CHECK(config.lora_dropout == 0.05);
  CHECK_FALSE(config.fan_in_fan_out);
  CHECK(config.bias == "none");
  CHECK(config.init_lora_weights == "true");
  CHECK(config.target_modules == std::vector<std::string>{"q_proj", "v_proj"});
  CHECK(config.modules_to_save.empty());
  CHECK(config.rank_of("model.layers.0.self_attn.v_proj") == 1);
  CHECK(config.rank_of("model.layers.1.self_attn.v_proj") == 2);
  CHECK(config.alpha_of("model.layers.1.self_attn.v_proj") == 6);
  CHECK(config.alpha_of("model.layers.1.self_attn.q_proj") == 4);
  CHECK(config.targets("model.q_proj"));
  CHECK(config.targets("q_proj"));
  CHECK_FALSE(config.targets("model.xq_proj"));
  CHECK_FALSE(config.targets("model.k_proj"));
  CHECK_FALSE(config.changes_base());
}

TEST_CASE("a config is written as it was read, unknown fields included", "[peft_config]") {
  CHECK(parsed(kConfig).text() == kConfig);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"lora_alpha\": 4", "\"lora_alpha\": 4.0"},
           {"\"v_proj\": 6", "\"v_proj\": 6.25,\n    \"a.v_proj\": 7"},
           {"\"init_lora_weights\": true", "\"init_lora_weights\": \"gaussian\""},
           {"\"modules_to_save\": null", "\"modules_to_save\": [\n    \"norm\"\n  ]"},
           {"[\n    \"q_proj\",\n    \"v_proj\"\n  ]", R"(".*\\.(q|v)_proj")"},
           {"\"bias\": \"none\"", "\"bias\": \"lora_only\""}}) {
    const std::string text = config_with(from, to);
    CHECK(parsed(text).text() == text);
  }
}

TEST_CASE("fields that were changed are written, the rest is kept", "[peft_config]") {
  PeftConfig config = parsed(kConfig);
  config.r = 16;
  config.lora_alpha = 12.5;
  config.use_rslora = true;
  config.use_dora = true;
  config.rank_pattern = {{"b", 3}, {"a", 2}};
  config.alpha_pattern.clear();
  config.target_modules = {"x"};
  config.init_lora_weights = "false";
  const PeftConfig again = parsed(config.text());
  CHECK(again.r == 16);
  CHECK(again.lora_alpha == 12.5);
  CHECK(again.use_rslora);
  CHECK(again.use_dora);
  CHECK(again.rank_pattern == config.rank_pattern);  // in this order
  CHECK(again.alpha_pattern.empty());
  CHECK(again.target_modules == config.target_modules);
  CHECK(again.init_lora_weights == "false");
  CHECK(again.document["later_field"] == parsed(kConfig).document["later_field"]);
}

TEST_CASE("the defaults are PEFT's", "[peft_config]") {
  const PeftConfig config = parsed(R"({"peft_type": "LORA"})");
  CHECK(config.r == 8);
  CHECK(config.lora_alpha == 8);
  CHECK(config.targets("anything"));
  CHECK_FALSE(config.saves("anything"));
  const std::string expected = R"({
  "base_model_name_or_path": null,
  "bias": "none",
  "fan_in_fan_out": false,
  "inference_mode": true,
  "init_lora_weights": true,
  "lora_alpha": 8,
  "lora_dropout": 0,
  "modules_to_save": null,
  "peft_type": "LORA",
  "r": 8,
  "rank_pattern": {},
  "target_modules": null,
  "task_type": null,
  "use_dora": false,
  "use_rslora": false
})";
  std::string text = PeftConfig().text();
  const std::string patterns = "  \"alpha_pattern\": {},\n";
  REQUIRE(text.find(patterns) == 2);
  CHECK(text.erase(2, patterns.size()) == expected);
}

TEST_CASE("targets by a pattern", "[peft_config]") {
  const PeftConfig config =
      parsed(R"({"peft_type": "LORA", "target_modules": "model\\.layers\\.\\d+\\.(q|v)_proj"})");
  CHECK(config.targets("model.layers.10.q_proj"));
  CHECK_FALSE(config.targets("x.model.layers.10.q_proj"));
  CHECK(parsed(R"({"peft_type": "LORA", "target_modules": "all-linear"})").targets("x.y"));
}

TEST_CASE("target_modules is read and kept whatever pattern it is", "[peft_config]") {
  // What Python's re accepts, beyond ModulePattern or not, and what it does not.
  for (const std::string pattern :
       {R"(^(?!.*(?:visual|lm_head)).*(?:q_proj|gate_proj).*)", R"(model\\.h\\.\\d{1,2}\\.q)",
        R"((?i)MODEL.*)", R"((?P<part>q|k)_proj)", R"((a)\\1)", R"(\\bq_proj\\b)",
        R"([[:alpha:]]+)", R"(a*+)", R"(()", R"(q_proj)", R"(caf\u00e9.*)"}) {
    const std::string text =
        config_with("[\n    \"q_proj\",\n    \"v_proj\"\n  ]", "\"" + pattern + "\"");
    CAPTURE(text);
    CHECK(parsed(text).text() == text);
  }
  const PeftConfig unknown = parsed(R"-({"peft_type": "LORA", "target_modules": "(?!a).*q"})-");
  CHECK(unknown.target_pattern == "(?!a).*q");
  CHECK(unknown.targets("a.q"));  // as far as is known
  CHECK(parsed(R"({"peft_type": "LORA", "target_modules": "All-linear"})").targets("x.y"));
}

TEST_CASE("modules_to_save names what ends in a name, and all that lies in it", "[peft_config]") {
  const PeftConfig config =
      parsed(R"({"peft_type": "LORA", "modules_to_save": ["classifier", "model.norm"]})");
  for (const char* const path : {"classifier", "model.classifier", "classifier.dense",
                                 "classifier.out.proj", "pre_classifier", "a.model.norm"})
    CHECK(config.saves(path));
  for (const char* const path : {"classifiers", "classifier2.dense", "norm", "class", ""})
    CHECK_FALSE(config.saves(path));
  CHECK(parsed(R"({"peft_type": "LORA", "modules_to_save": ["ab"]})").saves("abc.ab"));
}

TEST_CASE("initialisations that leave another W0", "[peft_config]") {
  for (const std::string name : {"pissa", "pissa_niter_4", "olora", "corda", "lora_ga", "loftq"})
    CHECK(parsed(config_with("weights\": true", "weights\": \"" + name + "\"")).changes_base());
  CHECK(parsed(config_with("weights\": true", "weights\": \"OLoRA\"")).changes_base());
  for (const std::string name : {"gaussian", "eva", "orthogonal", "mica", "EVA"})
    CHECK_FALSE(
        parsed(config_with("weights\": true", "weights\": \"" + name + "\"")).changes_base());
}

TEST_CASE("the rules of a config, broken one at a time", "[peft_config]") {
  const auto refused = [](const std::string& from, const std::string& to,
                          const std::string& message) {
    const std::string text = config_with(from, to);
    CAPTURE(to);
    CHECK_THROWS_AS(parsed(text), FormatError);
    CHECK_THROWS_WITH(parsed(text), contains_text("c.json: " + message));
  };
  refused("\"LORA\"", "\"IA3\"", "peft_type: expected \"LORA\", got \"IA3\"");
  refused("\"LORA\"", "null", "peft_type: expected \"LORA\"");
  refused("\"r\": 2", "\"r\": 0", "r: expected a whole number from 1 to 2^31, got 0");
  refused("\"r\": 2", "\"r\": -1", "r: expected a whole number");
  refused("\"r\": 2", "\"r\": 2.0", "r: expected a whole number");
  refused("\"r\": 2", "\"r\": \"2\"", "r: expected a whole number");
  refused("\"r\": 2", "\"r\": 2147483649", "r: expected a whole number");
  refused("\"lora_alpha\": 4", "\"lora_alpha\": \"4\"", "lora_alpha: expected a number, got \"4\"");
  refused("\"lora_dropout\": 0.05", "\"lora_dropout\": 1.5", "lora_dropout: expected a number in");
  refused("rslora\": false", "rslora\": 1", "use_rslora: expected true or false, got 1");
  refused("\"none\"", "\"some\"", "bias: expected none, all or lora_only");
  refused("weights\": true", "weights\": \"magic\"", "init_lora_weights: expected");
  refused("weights\": true", "weights\": \"pissa_niter_x\"", "init_lora_weights: expected");
  refused("\"layers.0.self_attn.v_proj\": 1", "\"v\": 0", "rank_pattern[\"v\"]: expected a whole");
  refused("\"v_proj\": 6", "\"v\": null", "alpha_pattern[\"v\"]: expected a number");
  refused("\"v_proj\": 6", "\"(v\": 6", "alpha_pattern: pattern \"(v\": expected balanced");
  refused("\"q_proj\",", "7,", "target_modules: expected a list of names, got 7");
  refused("\"q_proj\",", "\"\",", "target_modules: expected a list of names");
  refused("modules_to_save\": null", "modules_to_save\": {}", "modules_to_save: expected a list");
  refused("exclude_modules\": null", "exclude_modules\": 1", "exclude_modules: expected a pattern");
  refused("exclude_modules\": null", "exclude_modules\": [1]",
          "exclude_modules: expected a pattern");
  refused("to_transform\": null", "to_transform\": \"1\"", "layers_to_transform: expected a whole");
  refused("to_transform\": null", "to_transform\": [1.5]", "layers_to_transform: expected a whole");
  refused("layers_pattern\": null", "layers_pattern\": {}", "layers_pattern: expected a name");
  refused("\"r\": 2", "\"r\": 2, \"r\": 3", "key \"r\": expected one entry, got two");
}

TEST_CASE("what is not supported is refused by name, never ignored", "[peft_config]") {
  for (const auto& [field, value] :
       std::vector<std::pair<std::string, std::string>>{{"lora_bias", "true"},
                                                        {"use_qalora", "true"},
                                                        {"use_bdlora", "{\"x\": 1}"},
                                                        {"target_parameters", "[\"x\"]"},
                                                        {"layer_replication", "[[0, 4]]"},
                                                        {"megatron_config", "{\"x\": 1}"},
                                                        {"trainable_token_indices", "[1]"},
                                                        {"arrow_config", "{\"x\": 1}"},
                                                        {"velora_config", "{\"x\": 1}"},
                                                        {"monteclora_config", "{\"x\": 1}"},
                                                        {"kasa_config", "{\"x\": 1}"},
                                                        {"alora_invocation_tokens", "[1]"}}) {
    const auto text = [&, name = field](const std::string& came) {
      return R"({"peft_type": "LORA", ")" + name + "\": " + came + "}";
    };
    CHECK_THROWS_WITH(parsed(text(value)), contains_text("c.json: " + field + ": expected none"));
    CHECK_NOTHROW(parsed(text("null")));
    CHECK_NOTHROW(parsed(text("false")));
    CHECK_NOTHROW(parsed(text("[]")));
  }
}

TEST_CASE("every field of LoraConfig is read, refused or without effect", "[peft_config]") {
  // The parameters of LoraConfig in PEFT 0.20.0, and kasa_config, which 0.21.0 adds.
  const std::set<std::string> fields{"task_type",
                                     "peft_type",
                                     "auto_mapping",
                                     "peft_version",
                                     "base_model_name_or_path",
                                     "revision",
                                     "inference_mode",
                                     "r",
                                     "target_modules",
                                     "exclude_modules",
                                     "lora_alpha",
                                     "lora_dropout",
                                     "fan_in_fan_out",
                                     "bias",
                                     "use_rslora",
                                     "modules_to_save",
                                     "init_lora_weights",
                                     "layers_to_transform",
                                     "layers_pattern",
                                     "rank_pattern",
                                     "alpha_pattern",
                                     "megatron_config",
                                     "megatron_core",
                                     "trainable_token_indices",
                                     "loftq_config",
                                     "eva_config",
                                     "corda_config",
                                     "lora_ga_config",
                                     "use_dora",
                                     "velora_config",
                                     "alora_invocation_tokens",
                                     "use_qalora",
                                     "qalora_group_size",
                                     "monteclora_config",
                                     "layer_replication",
                                     "runtime_config",
                                     "lora_bias",
                                     "target_parameters",
                                     "use_bdlora",
                                     "arrow_config",
                                     "ensure_weight_tying",
                                     "kasa_config"};
  const std::set<std::string> read{"peft_type",
                                   "base_model_name_or_path",
                                   "r",
                                   "lora_alpha",
                                   "lora_dropout",
                                   "fan_in_fan_out",
                                   "bias",
                                   "use_rslora",
                                   "use_dora",
                                   "modules_to_save",
                                   "init_lora_weights",
                                   "rank_pattern",
                                   "alpha_pattern",
                                   "target_modules",
                                   "exclude_modules",
                                   "layers_pattern",
                                   "layers_to_transform"};
  // How a training starts or runs; what goes with a field that is refused or is not written by
  // PEFT.
  const std::set<std::string> without_effect{
      "task_type",          "auto_mapping",  "peft_version",   "revision",
      "inference_mode",     "loftq_config",  "eva_config",     "corda_config",
      "lora_ga_config",     "megatron_core", "runtime_config", "qalora_group_size",
      "ensure_weight_tying"};
  std::set<std::string> known(read);
  known.insert(without_effect.begin(), without_effect.end());
  for (const char* const refused : lorapro::io::detail::kUnsupportedFields) {
    CAPTURE(refused);
    CHECK(fields.count(refused) == 1);
    CHECK(known.insert(refused).second);
  }
  CHECK(known == fields);
}

}  // namespace
