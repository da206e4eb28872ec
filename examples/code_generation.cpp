// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Fine-tunes a small GPT, which has seen English prose only, to Python in several ways and compares
// them: how well it predicts files that it has not seen, and how many of the functions that it
// writes Python can parse.
//
//   examples/data/code.sh && code_generation
//   code_generation --methods lora_adamw,lora_pro_full --rank 4 --seeds 5

#include <lorapro/lorapro.hpp>
#include <CLI/CLI.hpp>
#include <Eigen/Core>
#include <algorithm>  // std::min
#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

#include "nn/gpt.hpp"
#include "nn/gpt_text.hpp"
#include "nn/threads.hpp"
#include "support/gpt_fine_tuning.hpp"
#include "support/python_parser.hpp"
#include "support/run_options.hpp"
#include "support/text_files.hpp"
#include "support/text_windows.hpp"

namespace {

using examples::Method;
using examples::RandomEngine;
using lorapro::Index;
using Gpt = examples::nn::Gpt<float>;

const examples::LearningRates kLearningRates{{Method::lora_adamw, {1e-2}},
                                             {Method::lora_sgd, {3e-1}},
                                             {Method::rslora_adamw, {5.6e-3}},
                                             {Method::lora_pro_sgd, {1.0}},
                                             {Method::lora_pro_efficient, {5.6e-3}},
                                             {Method::lora_pro_full, {5.6e-3}},
                                             {Method::full_adamw, {1e-3}}};

struct Code {
  std::string training, validation, test;
};

/// The Python files that code.sh has fetched. Of ten files one is for validation, one for tests.
Code read_code(const std::filesystem::path& cache) {
  Code code;
  std::size_t number = 0;
  for (const auto& file : examples::files_below(cache / "code" / "python3.11", ".py")) {
    if (file.string().find("pydoc_data") != std::string::npos) continue;  // not code
    auto& part = number % 10 == 4 ? code.validation : number % 10 == 9 ? code.test : code.training;
    part += examples::plain_text(examples::read_text(file)) + "\n\n";
    ++number;
  }
  if (code.test.size() < 100000) {
    throw examples::DataError((cache / "code").string() + ": there are too few Python files");
  }
  return code;
}

/// Functions for --smoke that need no data.
Code small_functions() {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += fmt::format("def add_{}(number):\n    return number + {}\n\n\n", i, i);
  }
  return {text, text, text};
}

/// Windows of the length of the context, one after the other.
std::vector<examples::nn::LabelledTokens> windows_of(std::string_view text, Index context) {
  const auto length = static_cast<std::size_t>(context) + 1;
  std::vector<examples::nn::LabelledTokens> windows;
  for (std::size_t first = 0; first + length <= text.size(); first += length - 1) {
    const auto bytes = examples::nn::bytes_of(text.substr(first, length));
    windows.push_back({{bytes.begin(), bytes.end() - 1}, {bytes.begin() + 1, bytes.end()}});
  }
  return windows;
}

/// The first lines of functions, up to `limit` of them, spread over the text.
std::vector<std::string> function_heads(std::string_view text, std::size_t limit) {
  std::vector<std::string> heads;
  for (std::size_t at = text.find("\ndef "); at != std::string_view::npos;
       at = text.find("\ndef ", at + 1)) {
    const auto end = text.find('\n', at + 1);
    const auto head = text.substr(at + 1, end - at - 1);
    if (end == std::string_view::npos || head.size() > 60 || head.size() < 2) continue;
    if (head.substr(head.size() - 2) == "):") heads.emplace_back(head);
  }
  std::vector<std::string> chosen;
  const std::size_t count = std::min(limit, heads.size());
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(heads[i * heads.size() / count]);
  return chosen;
}

/// The function that the model writes after `head`: up to a blank line, or as many whole lines as
/// fit into 80 bytes.
std::string completed(Gpt& gpt, const std::string& head, std::uint64_t seed) {
  constexpr Index kLength = 80;
  RandomEngine engine(seed);
  const std::string start = head + "\n    ";
  std::string body = sample(gpt, "\n\n" + start, {kLength, 0.5, "\n\n"}, engine);
  for (std::size_t line = body.find('\n'); line != std::string::npos;
       line = body.find('\n', line + 1)) {
    if (line + 1 < body.size() && body[line + 1] != ' ') body.resize(line);  // the function ends
  }
  if (static_cast<Index>(body.size()) == kLength && body.find('\n') != std::string::npos) {
    body.resize(body.rfind('\n'));
  }
  return start + body + "\n";
}

void compare_methods(const examples::GptOptions& options) {
  examples::nn::set_threads(options.threads);
  const examples::GptBase base(options);
  const Code code = options.smoke ? small_functions() : read_code(options.cache);
  const std::string& held_out = options.validation ? code.validation : code.test;
  const auto heads = function_heads(held_out, options.smoke ? 3 : 16);

  examples::TextTask task;
  task.training = windows_of(code.training, base.config().context);
  task.quick_metric = [&](Gpt& gpt) {
    return examples::score_text(gpt, held_out, options.smoke ? 500 : 5000).bits_per_character;
  };
  task.measure = [&](Gpt& gpt, examples::Run& run) {
    const auto score = examples::score_text(gpt, held_out, options.smoke ? 1000 : 50000);
    run.value = score.bits_per_character;
    run.further_metrics["next byte"] = score.next_byte_match;
    if (options.validation) return;
    std::vector<std::string> functions;
    for (std::size_t i = 0; i < heads.size(); ++i) {
      functions.push_back(completed(gpt, heads[i], i + 1000 * run.key.seed));
    }
    if (const auto parsed = examples::parsed_by_python(functions, options.output)) {
      run.further_metrics["parses"] =
          static_cast<double>(std::count(parsed->begin(), parsed->end(), true)) /
          static_cast<double>(parsed->size());
    }
  };
  task.samples = [&](Gpt& gpt) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < std::min<std::size_t>(heads.size(), 2); ++i) {
      const std::string function = completed(gpt, heads[i * heads.size() / 2], i);
      std::size_t first = 0;
      for (auto end = function.find('\n'); end != std::string::npos;
           first = end + 1, end = function.find('\n', first)) {
        lines.push_back("  | " + function.substr(first, end - first));
      }
    }
    return lines;
  };

  fmt::print("{} characters of Python to learn from, {} held out ({})\n", code.training.size(),
             held_out.size(), options.validation ? "validation" : "test");
  examples::compare_on_text(
      {"code_generation", "bits per character", /*higher_is_better=*/false},
      fmt::format("Python's standard library: {} windows, {}", options.train_size,
                  options.seeds == 1 ? "one seed" : fmt::format("mean of {} seeds", options.seeds)),
      base, task, options, {});
}

}  // namespace

int main(int argc, char** argv) {
  examples::GptOptions options;
  options.methods = {Method::lora_adamw, Method::lora_pro_efficient, Method::lora_pro_full,
                     Method::full_adamw};
  options.model = LORAPRO_MODELS_DIR "/gpt_english.safetensors";
  options.train_size = 1600;
  options.batch_size = 8;
  options.threads = 0;
  options.output = "code_generation_results";
  options.cache = examples::default_cache(options.output / "cache");

  CLI::App app("Fine-tunes a small GPT to Python in several ways.", "code_generation");
  examples::add_run_options(app, options);
  examples::add_gpt_options(app, options);
  if (const auto exit_code = examples::parse_command_line(app, argc, argv)) return *exit_code;
  auto tuned = kLearningRates;
  options.learning_rates.merge(tuned);  // rates from the command line stay
  if (options.smoke) shrink(app, options);
  return examples::run_text_program("code_generation", "examples/data/code.sh",
                                    [&] { compare_methods(options); });
}
