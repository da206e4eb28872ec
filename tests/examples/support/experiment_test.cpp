// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/experiment.hpp"

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::Method;

/// A comparison whose runs only note what they were asked for.
struct Comparison {
  examples::RunOptions options;
  std::vector<std::pair<std::string, std::optional<double>>> trained;
  examples::Curve curve{{1, 0.5}, {2, 0.25}};

  explicit Comparison(const ScratchFolder& folder) {
    options.methods = {Method::lora_adamw, Method::full_adamw};
    options.seeds = 1;
    options.output = folder.path();
    examples::use_tuned(options, examples::for_all_methods({0.01}));
  }

  void run(const std::string& alphas) {
    trained.clear();
    examples::parse_alphas(alphas, options.alphas);
    examples::run_experiment({"task", "accuracy", true, true}, "title", options, {{"data", "none"}},
                             2, [&](const examples::RunRequest& request, examples::ProgressBar&) {
                               trained.emplace_back(request.key.method, request.key.alpha());
                               examples::Run result;
                               result.key = request.key;
                               result.value = 0.5;
                               result.loss_curve = result.metric_curve = curve;
                               return result;
                             });
  }
};

TEST_CASE("every alpha is run once, and full fine-tuning once for all", "[experiment]") {
  const ScratchFolder folder;
  Comparison comparison(folder);
  using Runs = decltype(comparison.trained);
  comparison.run("4");
  CHECK(comparison.trained == Runs{{"lora_adamw", 4}, {"full_adamw", std::nullopt}});
  CHECK_FALSE(std::filesystem::exists(folder.path() / "alpha.gnuplot"));
  comparison.run("1:4:16");
  CHECK(comparison.trained == Runs{{"lora_adamw", 1}, {"lora_adamw", 16}});
  CHECK(std::filesystem::exists(folder.path() / "alpha.gnuplot"));
  std::ifstream file(folder.path() / "curves.gnuplot");
  const std::string curves{std::istreambuf_iterator<char>(file), {}};
  CHECK_THAT(curves, contains_text("dt 3 lc rgb '#0072B2' title 'lora_adamw alpha 16'"));
  CHECK_THAT(curves, contains_text("title 'full_adamw'"));
  comparison.run("16:1");
  CHECK(comparison.trained.empty());
}

TEST_CASE("a checkpoint of another alpha belongs to another comparison", "[experiment]") {
  const ScratchFolder folder;
  Comparison comparison(folder);
  const auto checkpoint_of = [&](double alpha) {
    nlohmann::json recorded =
        examples::recorded_options(comparison.options, Method::lora_adamw, alpha);
    recorded["data"] = "none";
    const auto optimizer = examples::make_optimizer(Method::lora_adamw, {});
    comparison.options.run_checkpoint().save({"lora_adamw", 0.01, 0, recorded}, {}, *optimizer);
  };
  comparison.options.checkpoint.resume = true;
  checkpoint_of(8);
  CHECK_THROWS_AS(comparison.run("4:16"), examples::UsageError);
  checkpoint_of(16);
  CHECK_NOTHROW(comparison.run("4:16"));
}

}  // namespace
