// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/results.hpp"

#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "examples/support/results_table.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::Results;
using examples::Run;
using examples::RunKey;

const examples::Task kAccuracyTask{"task", "accuracy", true, true};

RunKey key_with_alpha(std::optional<double> alpha, std::uint64_t seed = 0) {
  RunKey key{alpha ? "lora_adamw" : "full_adamw", 0.01, seed, {{"rank", 4}}};
  if (alpha) key.options["alpha"] = *alpha;
  return key;
}

Run finished_run(RunKey key, double value) {
  Run run;
  run.key = std::move(key);
  run.value = value;
  return run;
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("runs with different values of alpha are different runs", "[results]") {
  const ScratchFolder folder;
  Results written(kAccuracyTask, folder.path(), true);
  written.add(finished_run(key_with_alpha(4), 0.5));
  written.add(finished_run(key_with_alpha(16), 0.75));
  written.add(finished_run(key_with_alpha(std::nullopt), 1));
  const Results read(kAccuracyTask, folder.path(), false);
  REQUIRE(read.find(key_with_alpha(4)));
  CHECK(read.find(key_with_alpha(4))->value == 0.5);
  REQUIRE(read.find(key_with_alpha(16)));
  CHECK(read.find(key_with_alpha(16))->value == 0.75);
  REQUIRE(read.find(key_with_alpha(std::nullopt)));
  CHECK_FALSE(read.find(key_with_alpha(1)));
  CHECK(read.find(key_with_alpha(16))->key.alpha() == std::optional(16.0));
  CHECK_FALSE(read.find(key_with_alpha(std::nullopt))->key.alpha());

  const std::string csv = text_of(folder.path() / "results.csv");
  CHECK_THAT(csv, contains_text(",seconds,alpha,rank\n"));
  CHECK_THAT(csv, contains_text(",4.0,4\n"));
  CHECK_THAT(csv, contains_text(",,4\n"));
}

TEST_CASE("full fine-tuning in an older file has lost its alpha", "[results]") {
  nlohmann::json json = to_json(key_with_alpha(std::nullopt));
  json["options"]["alpha"] = 16;
  CHECK(examples::key_from_json(json) == key_with_alpha(std::nullopt));
  const RunKey adapters = key_with_alpha(16);
  CHECK(examples::key_from_json(to_json(adapters)) == adapters);
}

TEST_CASE("runs are grouped by alpha, which has a column where there are several", "[results]") {
  const Run runs[] = {finished_run(key_with_alpha(4), 0.5), finished_run(key_with_alpha(16), 0.75),
                      finished_run(key_with_alpha(4, 1), 0.7),
                      finished_run(key_with_alpha(std::nullopt), 1)};
  auto groups = examples::group_runs({&runs[0], &runs[1], &runs[2], &runs[3]});
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].alpha == std::optional(4.0));
  CHECK(groups[0].runs == std::vector<const Run*>{&runs[0], &runs[2]});
  CHECK(groups[0].standard_error() == Approx(0.1));
  CHECK(groups[1].alpha == std::optional(16.0));
  CHECK(std::isnan(groups[1].standard_error()));
  CHECK_FALSE(groups[2].alpha);
  CHECK(examples::compares_alphas(groups));
  std::istringstream table(examples::results_table(kAccuracyTask, groups));
  for (const std::string start : {"method lr alpha seeds", "lora_adamw 0.01 4 2",
                                  "lora_adamw 0.01 16 1", "full_adamw 0.01 - 1"}) {
    std::string line, word, words;
    std::getline(table, line);
    std::istringstream cells(line);
    while (words.size() < start.size() && cells >> word) words += (words.empty() ? "" : " ") + word;
    CHECK(words == start);
  }

  groups.erase(groups.begin());
  CHECK_FALSE(examples::compares_alphas(groups));
  CHECK_THAT(examples::results_table(kAccuracyTask, groups), !contains_text("alpha"));
}

TEST_CASE("a group has diverged where the metric or the loss of one run is no number",
          "[results]") {
  Run runs[] = {finished_run(key_with_alpha(4), 0.5), finished_run(key_with_alpha(4, 1), 0.5)};
  const auto groups = examples::group_runs({&runs[0], &runs[1]});
  CHECK_FALSE(groups[0].diverged());
  runs[1].final_loss = std::numeric_limits<double>::quiet_NaN();
  CHECK(groups[0].diverged());
  runs[1].final_loss = 0;
  runs[0].value = std::numeric_limits<double>::infinity();
  CHECK(groups[0].diverged());
}

}  // namespace
