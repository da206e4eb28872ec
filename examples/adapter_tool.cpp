// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Looks into adapters, checks them, and brings them from one form into another.
//
//   adapter_tool inspect my_adapter
//   adapter_tool to-gguf my_adapter adapter.gguf --base my_base/config.json --type f16
//   adapter_tool merge my_base my_adapter merged

#include <lorapro/io/gguf_adapter.hpp>
#include <lorapro/io/merge.hpp>
#include <CLI/CLI.hpp>
#include <algorithm>  // std::min
#include <filesystem>
#include <fmt/format.h>
#include <limits>  // std::numeric_limits
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/adapter_spectrum.hpp"
#include "support/program.hpp"

namespace {

using lorapro::Index;
using lorapro::StorageType;
using lorapro::io::AdapterModule;
using lorapro::io::AdapterModules;
using lorapro::io::BaseModel;
using lorapro::io::GgufAdapter;
using lorapro::io::PeftAdapter;
using nlohmann::json;

constexpr int kExitDifferent = 3;

struct Options {
  std::string adapter, other, base_config, base, out, initial, name, type = "f32";
  int top = 3;
  double tolerance = 1e-6;
  double largest_loss = lorapro::io::kLargestFactorLoss;
  bool as_json = false;
};

/// An adapter of either form.
struct Adapter {
  std::optional<PeftAdapter> peft;
  std::optional<GgufAdapter> gguf;
  AdapterModules modules;
};

Adapter open_adapter(const std::string& path, const std::string& base_config) {
  Adapter out;
  if (std::filesystem::is_directory(path)) {
    out.peft.emplace(path);
    out.modules = out.peft->modules();
  } else {
    out.gguf.emplace(path);
    out.modules =
        base_config.empty() ? out.gguf->modules() : out.gguf->modules(BaseModel::read(base_config));
  }
  return out;
}

StorageType type_of(const std::string& name) {
  return name == "f16" ? StorageType::f16 : name == "bf16" ? StorageType::bf16 : StorageType::f32;
}

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) fmt::print(stderr, "adapter_tool: {}\n", line);
}

/// What writing did to the numbers.
void print_report(const lorapro::io::AdapterWriteReport& report, const std::string& type) {
  for (const auto& module : report.lossy)
    fmt::print(stderr, "adapter_tool: {}: s B A loses {:.2g} % of its norm in {}\n", module.path,
               100 * module.loss, type);
  if (!report.balanced.empty())
    fmt::print("{} modules balanced between lora_A and lora_B to fit {}\n", report.balanced.size(),
               type);
  print_lines(report.warnings);
}

std::size_t parameters_of(const AdapterModule& module) {
  const Index factors = module.rank * (module.out_features + module.in_features);
  return static_cast<std::size_t>(factors + (module.is_dora() ? module.out_features : 0));
}

json described(const AdapterModule& module, int top) {
  const Eigen::MatrixXd core = examples::core_of(module);
  const Eigen::VectorXd values = examples::singular_values(core);
  const Index count = std::min<Index>(top, values.size());
  return {{"path", module.path},
          {"out_features", module.out_features},
          {"in_features", module.in_features},
          {"rank", module.rank},
          {"lora_alpha", module.lora_alpha},
          {"scaling", module.scaling()},
          {"norm", core.norm()},
          {"singular_values", std::vector<double>(values.data(), values.data() + count)}};
}

int inspect(const Options& options) {
  const Adapter adapter = open_adapter(options.adapter, options.base_config);
  std::size_t parameters = 0;
  json modules = json::array();
  for (const AdapterModule& module : adapter.modules) {
    modules.push_back(described(module, options.top));
    parameters += parameters_of(module);
  }
  json replaced = json::array();
  if (adapter.peft)
    for (const auto& entry : adapter.peft->replaced()) replaced.push_back(entry.name);
  if (options.as_json) {
    const json out{{"format", adapter.peft ? "peft" : "gguf"},
                   {"parameters", parameters},
                   {"modules", modules},
                   {"whole_tensors", replaced}};
    fmt::print("{}\n", out.dump(2));
    return 0;
  }
  std::size_t width = 6;
  for (const AdapterModule& module : adapter.modules) width = std::max(width, module.path.size());
  fmt::print("{:<{}}  {:>13}  {:>5}  {:>8}  {:>9}  {:>10}  {}\n", "module", width, "out x in",
             "rank", "alpha", "scaling", "||s B A||", "largest singular values");
  for (const json& module : modules) {
    std::string values;
    for (const double value : module["singular_values"]) values += fmt::format("{:<10.4g} ", value);
    const auto shape = fmt::format("{} x {}", module["out_features"].get<Index>(),
                                   module["in_features"].get<Index>());
    fmt::print("{:<{}}  {:>13}  {:>5}  {:>8g}  {:>9.4g}  {:>10.4g}  {}\n",
               module["path"].get<std::string>(), width, shape, module["rank"].get<Index>(),
               module["lora_alpha"].get<double>(), module["scaling"].get<double>(),
               module["norm"].get<double>(), values);
  }
  for (const json& name : replaced) fmt::print("{}  (whole)\n", name.get<std::string>());
  fmt::print("{} modules, {} parameters\n", modules.size(), parameters);
  return 0;
}

int validate(const Options& options) {
  const Adapter adapter = open_adapter(options.adapter, options.base_config);
  for (const AdapterModule& module : adapter.modules) {
    (void)module.lora_A();
    (void)module.lora_B();
    if (module.is_dora()) (void)module.magnitude();
  }
  if (adapter.peft && !options.base_config.empty()) {
    const BaseModel base = BaseModel::read(options.base_config);
    for (const AdapterModule& module : adapter.modules) {
      const auto target = gguf_target(base, module.path);
      if (!target)
        throw lorapro::FormatError(module.path + ": expected a module that the base model has");
      lorapro::checks::shape(module.path.c_str(), module.out_features, module.in_features,
                             target->out_features, target->in_features);
    }
  }
  fmt::print("{}: valid, {} modules\n", options.adapter, adapter.modules.size());
  return 0;
}

int to_gguf(const Options& options) {
  const auto report = write_gguf_adapter(options.out, PeftAdapter(options.adapter),
                                         BaseModel::read(options.base_config),
                                         type_of(options.type), options.name, options.largest_loss);
  print_report(report, options.type);
  return 0;
}

int to_peft(const Options& options) {
  const Adapter adapter = open_adapter(options.adapter, options.base_config);
  if (adapter.gguf && options.base_config.empty())
    throw examples::UsageError("--base", "is needed for a GGUF file: its names are llama.cpp's");
  lorapro::io::PeftConfig config;
  std::vector<lorapro::io::ReplacedTensor> replaced;
  if (adapter.peft) {
    config = adapter.peft->config();
    replaced = adapter.peft->replaced();
  }
  AdapterModules modules = adapter.modules;
  if (!options.initial.empty()) {
    std::map<std::string, AdapterModule> initial;
    const PeftAdapter untrained(options.initial);
    for (const AdapterModule& module : untrained.modules()) initial.emplace(module.path, module);
    for (AdapterModule& module : modules) {
      const auto found = initial.find(module.path);
      if (found == initial.end())
        throw lorapro::ConfigError("initial: expected the module " + module.path + ", got none");
      module = difference_module(module, found->second);
    }
    config.init_lora_weights = "true";
  }
  const auto report = write_peft_adapter(options.out, config, modules, type_of(options.type),
                                         replaced, options.largest_loss);
  print_report(report, options.type);
  return 0;
}

int merge(const Options& options, bool back) {
  const PeftAdapter adapter(options.adapter);
  const auto report = back
                          ? unmerge_adapter(options.base, adapter, options.out)
                          : merge_adapter(options.base, adapter, options.out, options.largest_loss);
  fmt::print("{} tensors merged, {} replaced, {} copied{}\n", report.merged, report.replaced,
             report.copied, report.added > 0 ? fmt::format(", {} added", report.added) : "");
  print_lines(report.notes);
  print_lines(report.warnings);
  return 0;
}

int diff(const Options& options) {
  const Adapter first = open_adapter(options.adapter, options.base_config);
  const Adapter second = open_adapter(options.other, options.base_config);
  std::map<std::string, const AdapterModule*> others;
  for (const AdapterModule& module : second.modules) others[module.path] = &module;
  json differences = json::array();
  const auto differs = [&](const std::string& path, const std::string& how, double relative) {
    differences.push_back({{"path", path}, {"difference", how}, {"relative", relative}});
    if (!options.as_json) fmt::print("{}: {}\n", path, how);
  };
  for (const AdapterModule& module : first.modules) {
    const auto found = others.find(module.path);
    if (found == others.end()) {
      differs(module.path, "only in the first", 1);
      continue;
    }
    const AdapterModule& other = *found->second;
    others.erase(found);
    if (module.out_features != other.out_features || module.in_features != other.in_features) {
      differs(module.path, "shapes differ", 1);
      continue;
    }
    if (module.is_dora() != other.is_dora()) {
      differs(module.path, "only one has a magnitude", 1);
      continue;
    }
    if (module.is_dora()) {
      const auto a = module.magnitude(), b = other.magnitude();
      const auto length = static_cast<double>(std::max(a.norm(), b.norm()));
      const double relative = length > 0 ? static_cast<double>((a - b).norm()) / length : 0;
      if (relative > options.tolerance)
        differs(module.path, fmt::format("magnitudes differ by {:.3g} of their norm", relative),
                relative);
    }
    const double size = std::max(examples::core_of(module).norm(), examples::core_of(other).norm());
    const double relative = size > 0 ? examples::distance(module, other) / size : 0;
    if (relative > options.tolerance)
      differs(module.path, fmt::format("s B A differs by {:.3g} of its norm", relative), relative);
  }
  for (const auto& entry : others) differs(entry.first, "only in the second", 1);
  if (options.as_json) fmt::print("{}\n", json{{"differences", differences}}.dump(2));
  return differences.empty() ? 0 : kExitDifferent;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Looks into LoRA adapters, checks them, and brings them from one form into another.\n"
      "An ADAPTER is a PEFT directory or, where nothing else is said, a GGUF file."};
  app.footer(
      "Exit codes: 0 done, valid or equal; 1 a file is not valid, or cannot be read or written;\n"
      "2 wrong arguments, or things that do not fit together; 3 diff found a difference.");
  app.require_subcommand(1);
  Options options;
  const auto with_adapter = [&](CLI::App* command, const char* text = "The adapter") {
    command->add_option("ADAPTER", options.adapter, text)->required();
    return command;
  };
  const auto with_config = [&](CLI::App* command, const char* text) {
    return command->add_option("--base", options.base_config, text);
  };
  const auto with_type = [&](CLI::App* command) {
    command->add_option("--type", options.type, "Type of the numbers")
        ->check(CLI::IsMember({"f32", "f16", "bf16"}))
        ->capture_default_str();
  };
  const auto with_loss = [&](CLI::App* command, const char* text) {
    command->add_option("--allow-loss", options.largest_loss, text)
        ->check(CLI::Range(0.0, std::numeric_limits<double>::infinity()))
        ->capture_default_str();
  };
  const char* const loss = "Write what loses up to this part of the norm of s B A in the type";
  const char* const names = "config.json of the base model, for its own names in a GGUF file";

  auto* const inspecting =
      with_adapter(app.add_subcommand("inspect", "Print a table of the modules"));
  with_config(inspecting, names);
  inspecting->add_option("--top", options.top, "How many singular values")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  inspecting->add_flag("--json", options.as_json, "JSON instead of a table");

  auto* const validating = with_adapter(
      app.add_subcommand("validate", "Check every rule of the format, and the numbers"));
  with_config(validating, "config.json of the base model, to check names and shapes against");

  auto* const to_gguf_command = app.add_subcommand("to-gguf", "Write a GGUF file for llama.cpp");
  with_adapter(to_gguf_command, "A PEFT directory");
  to_gguf_command->add_option("OUT", options.out, "The file")->required();
  with_config(to_gguf_command, "config.json of the base model")->required();
  with_type(to_gguf_command);
  with_loss(to_gguf_command, loss);
  to_gguf_command->add_option("--name", options.name, "general.name");

  auto* const to_peft_command = app.add_subcommand("to-peft", "Write a PEFT directory");
  with_adapter(to_peft_command);
  to_peft_command->add_option("OUT", options.out, "The directory")->required();
  with_config(to_peft_command, "config.json of the base model; needed for a GGUF file");
  with_type(to_peft_command);
  with_loss(to_peft_command, loss);
  to_peft_command->add_option(
      "--initial", options.initial,
      "PEFT directory of the adapter before training (PiSSA and its kin): writes the difference");

  const auto add_merge = [&](const char* name, const char* text) {
    auto* const command = app.add_subcommand(name, text);
    command->add_option("BASE", options.base, "A safetensors file, or a folder of a model")
        ->required();
    with_adapter(command, "A PEFT directory");
    command->add_option("OUT", options.out, "A file or a folder, as BASE is")->required();
    return command;
  };
  with_loss(add_merge("merge", "Write the base with W + s B A"),
            "Write whole tensors that lose up to this part of their norm in the base's type");
  auto* const unmerging = add_merge("unmerge", "Write a merged model with W - s B A");

  auto* const diffing = app.add_subcommand("diff", "Compare s B A of two adapters");
  with_adapter(diffing, "The first adapter");
  diffing->add_option("OTHER", options.other, "The second adapter")->required();
  with_config(diffing, names);
  diffing->add_option("--tolerance", options.tolerance, "Equal up to this part of the norm")
      ->capture_default_str();
  diffing->add_flag("--json", options.as_json, "JSON instead of lines");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  int status = 0;
  const int failure = examples::run_program("adapter_tool", "", [&] {
    status = inspecting->parsed()        ? inspect(options)
             : validating->parsed()      ? validate(options)
             : to_gguf_command->parsed() ? to_gguf(options)
             : to_peft_command->parsed() ? to_peft(options)
             : diffing->parsed()         ? diff(options)
                                         : merge(options, unmerging->parsed());
  });
  return failure != 0 ? failure : status;
}
