// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/alpha_comparison.hpp"

#include <deque>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::Run;

constexpr double kDiverged = std::numeric_limits<double>::quiet_NaN();
const examples::Task kShare{"task", "accuracy", true, true};
const examples::Task kBits{"task", "bits per character", false, false};

/// Runs of a sweep, one seed each unless said otherwise.
struct Sweep {
  std::deque<Run> runs;

  Sweep& add(const std::string& method, std::optional<double> alpha, double value,
             std::uint64_t seed = 0, double learning_rate = 0.01) {
    Run& run = runs.emplace_back();
    run.key = {method, learning_rate, seed, nlohmann::json::object()};
    if (alpha) run.key.options["alpha"] = *alpha;
    run.value = value;
    return *this;
  }

  std::vector<examples::RunGroup> groups() const {
    std::vector<const Run*> all;
    for (const Run& run : runs) all.push_back(&run);
    return examples::group_runs(all);
  }

  std::string sentence(const examples::Task& task) const {
    return examples::alpha_sentence(task, groups());
  }
};

TEST_CASE("a sweep over alpha is told in one sentence", "[alpha_comparison]") {
  Sweep sweep;
  sweep.add("lora_adamw", 16, 0.773).add("lora_adamw", 1, 0.5).add("lora_adamw", 256, 0.25);
  sweep.add("lora_pro_spectral", 1, 0.806).add("lora_pro_spectral", 256, 0.8);
  sweep.add("full_adamw", std::nullopt, 0.9);
  CHECK(sweep.sentence(kShare) ==
        "Over alpha 1 to 256 LoRA moves by 52.3 points (25.0 to 77.3 %), LoRA-Pro moves by 0.6 "
        "points (80.0 to 80.6 %); LoRA-Pro at its worst alpha, 256, against LoRA at its best, 16: "
        "+2.7 points.");
}

TEST_CASE("means over the seeds are compared", "[alpha_comparison]") {
  Sweep sweep;
  sweep.add("lora_adamw", 1, 0.5).add("lora_adamw", 1, 0.7, 1);
  sweep.add("lora_adamw", 4, 0.65).add("lora_adamw", 4, 0.65, 1);
  CHECK(sweep.sentence(kShare) == "Over alpha 1 to 4 LoRA moves by 5.0 points (60.0 to 65.0 %).");
}

TEST_CASE("where lower is better the worst is the highest", "[alpha_comparison]") {
  Sweep sweep;
  sweep.add("lora_adamw", 4, 2.25).add("lora_adamw", 16, 2.5);
  sweep.add("lora_pro_full", 4, 2.125).add("lora_pro_full", 16, 2.375);
  CHECK(sweep.sentence(kBits) ==
        "Over alpha 4 to 16 LoRA moves by 0.250 (2.250 to 2.500 bits per character), LoRA-Pro with "
        "full moments moves by 0.250 (2.125 to 2.375 bits per character); LoRA-Pro with full "
        "moments at its worst alpha, 16, against LoRA at its best, 4: +0.125 (lower is better).");
}

TEST_CASE("runs that diverged are said to have", "[alpha_comparison]") {
  Sweep sweep;
  sweep.add("lora_adamw", 1, 0.5).add("lora_adamw", 4, 0.75);
  sweep.add("lora_adamw", 16, kDiverged)
      .add("lora_adamw", 64, 0.75)
      .add("lora_adamw", 64, kDiverged, 1);
  sweep.add("lora_pro_spectral", 1, kDiverged).add("lora_pro_spectral", 4, 0.8125);
  sweep.add("rslora_adamw", 1, kDiverged).add("rslora_adamw", 4, kDiverged);
  CHECK(sweep.sentence(kShare) ==
        "Over alpha 1 to 64 LoRA moves by 25.0 points (50.0 to 75.0 %) and diverged at 16 and 64, "
        "LoRA-Pro diverged at every alpha but 4 (81.2 %), rsLoRA diverged at every alpha; LoRA-Pro "
        "at its worst alpha, 1, against LoRA at its best, 4: diverged.");
}

TEST_CASE("LoRA with one alpha is compared with, LoRA that diverged is not", "[alpha_comparison]") {
  Sweep one;
  one.add("lora_pro_spectral", 1, 0.5)
      .add("lora_pro_spectral", 4, 0.625)
      .add("lora_adamw", 2, 0.75);
  CHECK(one.sentence(kShare) ==
        "Over alpha 1 to 4 LoRA-Pro moves by 12.5 points (50.0 to 62.5 %); LoRA-Pro at its worst "
        "alpha, 1, against LoRA at its best, 2: -25.0 points.");
  one.runs.back().value = kDiverged;
  CHECK(one.sentence(kShare) ==
        "Over alpha 1 to 4 LoRA-Pro moves by 12.5 points (50.0 to 62.5 %).");
}

TEST_CASE("each of several rates is told by itself, LoRA by the best of them",
          "[alpha_comparison]") {
  Sweep sweep;
  for (const double rate : {0.001, 0.01}) {
    sweep.add("lora_adamw", 1, 0.5 + rate, 0, rate).add("lora_adamw", 4, 0.4, 0, rate);
  }
  sweep.add("lora_pro_spectral", 1, 0.75).add("lora_pro_spectral", 4, 0.625);
  CHECK(sweep.sentence(kShare) ==
        "Over alpha 1 to 4 LoRA at rate 0.001 moves by 10.1 points (40.0 to 50.1 %), LoRA at rate "
        "0.01 moves by 11.0 points (40.0 to 51.0 %), LoRA-Pro moves by 12.5 points (62.5 to 75.0 "
        "%); LoRA-Pro at its worst alpha, 4, against LoRA at rate 0.01 at its best, 1: +11.5 "
        "points.");
}

TEST_CASE("there is no sentence without several values of one method", "[alpha_comparison]") {
  Sweep sweep;
  sweep.add("lora_adamw", 1, 0.5).add("lora_pro_spectral", 4, 0.8).add("full_adamw", {}, 0.9);
  CHECK(sweep.sentence(kShare).empty());
  CHECK(examples::alpha_sentence(kShare, {}).empty());
}

std::string script_in(const std::filesystem::path& dir) {
  std::ifstream file(dir / "alpha.gnuplot");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("the picture over alpha has a line for each method", "[alpha_comparison]") {
  const ScratchFolder folder;
  const int seeds = GENERATE(1, 2);
  Sweep sweep;
  for (int seed = 0; seed < seeds; ++seed) {
    const auto which = static_cast<std::uint64_t>(seed);
    const double more = 0.5 * seed;
    sweep.add("lora_adamw", 256, 0.25 + more, which).add("lora_adamw", 1, 0.5 + more, which);
    sweep.add("lora_adamw", 16, kDiverged, which).add("lora_adamw", 64, 1, which);
    sweep.add("full_adamw", std::nullopt, 0.875, which);
    sweep.add("rslora_adamw", 1, kDiverged, which);
  }
  const std::string problem =
      examples::plot_alphas(folder.path(), "title's end", "accuracy", sweep.groups());
  if (!problem.empty()) CHECK_THAT(problem, contains_text("gnuplot is not installed"));
  CHECK(std::filesystem::exists(folder.path() / "alpha.svg") == problem.empty());
  CHECK(std::filesystem::exists(folder.path() / "alpha.png") == problem.empty());

  const std::string script = script_in(folder.path());
  CHECK_THAT(script,
             contains_text(seeds == 1 ? "$line0 << END\n1 0.5 nan\n\n64 1 nan\n256 0.25 nan\nEND"
                                      : "$line0 << END\n1 0.75 0.25\n\n64 1 0\n256 0.5 0.25\nEND"));
  CHECK_THAT(script, contains_text(seeds == 1 ? "$line0 using 1:2 with linespoints"
                                              : "$line0 using 1:2:3 with yerrorlines"));
  CHECK_THAT(script, contains_text("title 'lora_adamw (diverged at 16)'"));
  CHECK_THAT(script, contains_text("$line1 using 1:2 with lines"));
  CHECK_THAT(script, contains_text(" 0.875\n"));
  CHECK_THAT(script, contains_text("set title 'title''s end'"));
  CHECK_THAT(script, contains_text("set xtics (1, 16, 64, 256)"));
  CHECK_THAT(script, !contains_text("rslora"));
}

TEST_CASE("where all diverged there is no picture over alpha", "[alpha_comparison]") {
  const ScratchFolder folder;
  Sweep sweep;
  sweep.add("lora_adamw", 1, kDiverged).add("lora_adamw", 4, kDiverged);
  CHECK(examples::plot_alphas(folder.path(), "title", "accuracy", sweep.groups()) ==
        "there is nothing to draw");
}

}  // namespace
