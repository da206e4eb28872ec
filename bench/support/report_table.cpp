// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Joins the JSON files that the benchmarks of one run wrote into one table: time, rates, the floor
// and the ratios to it and to the baselines. bench/README.md says what each column means.

#include <fmt/format.h>

#include <algorithm>   // std::sort, std::min, std::max
#include <cstdio>      // std::fputs
#include <exception>   // std::exception
#include <filesystem>  // std::filesystem::rename
#include <fstream>     // std::ifstream, std::ofstream
#include <map>         // std::map
#include <nlohmann/json.hpp>
#include <optional>   // std::optional
#include <stdexcept>  // std::runtime_error
#include <string>     // std::string
#include <utility>    // std::pair
#include <vector>     // std::vector

namespace {

using Json = nlohmann::ordered_json;
using Maybe = std::optional<double>;

struct Row {
  std::string name;
  int threads = 1;
  std::vector<double> times;  ///< ms, one per repetition
  double flops = 0;
  double bytes = 0;
  double least_f32 = 0;
  double least_f64 = 0;
  double least_bytes = 0;

  double median() const {
    std::vector<double> sorted = times;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t half = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
  double fastest() const { return *std::min_element(times.begin(), times.end()); }
};

/// What the machine can do at most with a number of threads.
struct Limits {
  double update_gbs = 0;
  double fma_f32_gflops = 0;
  double fma_f64_gflops = 0;
};

struct Floor {
  double ms = 0;
  std::string measured_parts;  ///< what of it was measured in this run rather than computed
};

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

/// `text` with the first `from` replaced.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t position = text.find(from);
  if (position != std::string::npos) text.replace(position, from.size(), to);
  return text;
}

/// Segments of a name: "step/full/f32/4096x4096/r16".
std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> parts(1);
  for (const char c : name) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

class Run {
 public:
  void read(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": cannot be read");
    const Json json = Json::parse(file);
    for (const Json& entry : json.at("benchmarks")) {
      const std::string full_name = entry.at("run_name");
      if (entry.value("error_occurred", false))
        throw std::runtime_error(full_name + ": " + entry.value("error_message", "failed"));
      if (entry.value("run_type", "iteration") != "iteration") continue;
      add(full_name, entry);
    }
  }

  void find_limits() {
    for (const Row& row : rows_) {
      if (!starts_with(row.name, "limits/")) continue;
      Limits& limits = limits_[row.threads];
      // A limit is what is possible: the fastest repetition, not the median.
      if (row.name == "limits/update") limits.update_gbs = row.bytes / row.fastest() / 1e6;
      if (row.name == "limits/fma_f32") limits.fma_f32_gflops = row.flops / row.fastest() / 1e6;
      if (row.name == "limits/fma_f64") limits.fma_f64_gflops = row.flops / row.fastest() / 1e6;
    }
  }

  const std::vector<Row>& rows() const { return rows_; }
  const std::map<int, Limits>& limits() const { return limits_; }

  Maybe time(const std::string& name, int threads) const {
    const auto found = index_.find({name, threads});
    if (found == index_.end()) return std::nullopt;
    return rows_[found->second].median();
  }

  std::optional<Floor> floor(const Row& row) const {
    const auto found = limits_.find(row.threads);
    if (found == limits_.end() || starts_with(row.name, "limits/")) return std::nullopt;
    const Limits& limits = found->second;
    const double compute =
        row.least_f32 / limits.fma_f32_gflops + row.least_f64 / limits.fma_f64_gflops;
    const double memory = row.least_bytes / limits.update_gbs;
    Floor floor{std::max(compute, memory) / 1e6, ""};
    if (floor.ms == 0) return std::nullopt;

    // An adjustment cannot be faster than its r x r solve, nor a rule than the plain rule that it
    // applies to the adjusted gradient. Both count as measured.
    const std::vector<std::string> parts = split(row.name);
    const std::string rank = parts.back();
    const auto add_measured = [&](const std::string& part, Maybe ms) {
      if (!ms) return false;
      floor.ms += *ms;
      floor.measured_parts += fmt::format("  + {} {:.4g}", part, *ms);
      return true;
    };
    const auto plain = [&](const std::string& rule) {
      const Maybe ours = time(replaced(row.name, parts[1], rule), row.threads);
      const Maybe naive = time(replaced(row.name, parts[1], "naive_" + rule), row.threads);
      if (ours && naive) return Maybe(std::min(*ours, *naive));
      return ours ? ours : naive;
    };
    const std::string kind = replaced(parts[1], "naive_", "");
    const bool step = parts[0] == "step";
    if ((step && (kind == "adapter" || kind == "pro_sgd")) || kind == "gradient" ||
        kind == "exact_gradient") {
      floor.measured_parts = fmt::format("products {:.4g}", floor.ms);
      if (!add_measured("solve/sylvester", time("solve/sylvester/" + rank, 1))) return std::nullopt;
      const std::string rule = kind == "adapter" ? "lora_adamw" : "lora_sgd";
      if (step && !add_measured(rule, plain(rule))) return std::nullopt;
    }
    return floor;
  }

  Maybe over(const Row& row, const std::string& baseline) const {
    if (baseline == row.name) return std::nullopt;
    const Maybe base = time(baseline, row.threads);
    if (!base) return std::nullopt;
    return row.median() / *base;
  }

  /// Over the row of the same name in another run.
  Maybe over(const Row& row, const Run& other) const {
    const Maybe base = other.time(row.name, row.threads);
    if (!base) return std::nullopt;
    return row.median() / *base;
  }

  Maybe over_naive(const Row& row) const {
    const std::vector<std::string> parts = split(row.name);
    if (parts.size() < 2 || starts_with(parts[1], "naive_")) return std::nullopt;
    // Naive twins are in float.
    const std::string name = replaced(row.name, "/bf16/", "/f32/");
    if (parts[1] == "torch_llama_block") return over(row, replaced(name, "torch_", ""));
    if (parts[1] == "llama_block" && parts[2] != "f32")
      return over(row, replaced(row.name, "/" + parts[2] + "/", "/f32/"));
    if (parts[0] == "solve" && (parts[1] == "sylvester" || parts[1] == "batched"))
      return over(row, replaced(name, parts[1], "eigen"));
    if (parts[0] == "solve" && parts[1] == "batched_spectra")
      return over(row, replaced(name, "batched_", "naive_"));
    if (parts[0] == "layer" && starts_with(parts[1], "forward"))
      return over(row, replaced(name, parts[1], "base"));
    if (parts[0] == "layer" && starts_with(parts[1], "backward"))
      return over(row, replaced(name, parts[1], "base_backward"));
    return over(row, replaced(name, "/" + parts[1] + "/", "/naive_" + parts[1] + "/"));
  }

  Maybe over_lora_adamw(const Row& row) const {
    const std::vector<std::string> parts = split(row.name);
    const bool torch = starts_with(parts[0], "torch");
    if (parts.size() != 5 || (parts[0] != "step" && parts[0] != "training" && !torch))
      return std::nullopt;
    return over(row, (torch ? "torch" : parts[0]) + "/lora_adamw/f32/" + parts[3] + "/" + parts[4]);
  }

  Maybe over_dense_adamw(const Row& row) const {
    const std::vector<std::string> parts = split(row.name);
    if (parts.size() < 4 || parts[0] != "step") return std::nullopt;
    return over(row, "step/dense_adamw/f32/" + parts[3]);
  }

 private:
  void add(std::string name, const Json& entry) {
    name = replaced(name, "/real_time", "");
    Row row;
    const std::size_t suffix = name.find("/threads");
    if (suffix != std::string::npos) {
      row.threads = std::stoi(name.substr(suffix + 8));
      name.erase(suffix);
    }
    row.name = name;
    const auto [found, is_new] = index_.try_emplace({name, row.threads}, rows_.size());
    if (is_new) {
      row.flops = entry.value("flops", 0.0);
      row.bytes = entry.value("bytes", 0.0);
      row.least_f32 = entry.value("least_f32", 0.0);
      row.least_f64 = entry.value("least_f64", 0.0);
      row.least_bytes = entry.value("least_bytes", 0.0);
      rows_.push_back(row);
    }
    // One thread: processor time, which other programs disturb less. Several: wall time.
    rows_[found->second].times.push_back(
        entry.at(row.threads == 1 ? "cpu_time" : "real_time").get<double>());
  }

  std::vector<Row> rows_;
  std::map<std::pair<std::string, int>, std::size_t> index_;
  std::map<int, Limits> limits_;
};

std::string text(Maybe value, int digits = 4) {
  return value ? fmt::format("{:.{}g}", *value, digits) : "-";
}

Maybe rate(double work, double ms) { return work > 0 ? Maybe(work / ms / 1e6) : std::nullopt; }

Json number(Maybe value) { return value ? Json(*value) : Json(nullptr); }

/// One time of a step or layer in a baseline program that links lorapro::compiled, and the ratio to
/// the same of the headers compiled for this machine.
std::string compiled_table(const Run& run, const Run& compiled) {
  if (compiled.rows().empty()) return "";
  std::string out = "\na baseline program that links lorapro::compiled\n";
  constexpr const char* kLine = "{:<44} {:>7} {:>10} {:>12}\n";
  out += fmt::format(kLine, "name", "threads", "ms", "over headers");
  for (const Row& row : compiled.rows())
    out += fmt::format(kLine, row.name, row.threads, text(row.median()),
                       text(compiled.over(row, run), 3));
  return out;
}

std::string table(const Run& run) {
  std::string out, parts;
  for (const auto& [threads, limits] : run.limits())
    out += fmt::format(
        "limits, {} thread{}: update {:.1f} GB/s, float {:.1f} GFLOP/s, double {:.1f} "
        "GFLOP/s\n",
        threads, threads > 1 ? "s" : "", limits.update_gbs, limits.fma_f32_gflops,
        limits.fma_f64_gflops);
  constexpr const char* kLine = "{:<44} {:>7} {:>10} {:>8} {:>7} {:>10} {:>7} {:>8} {:>8} {:>8}\n";
  out += "\n";
  out += fmt::format(kLine, "", "", "", "", "", "", "over", "over", "over lora", "over dense");
  out += fmt::format(kLine, "name", "threads", "ms", "GFLOP/s", "GB/s", "floor ms", "floor",
                     "naive", "AdamW", "AdamW");
  for (const Row& row : run.rows()) {
    const double ms = row.median();
    const auto floor = run.floor(row);
    out += fmt::format(kLine, row.name, row.threads, text(ms), text(rate(row.flops, ms), 3),
                       text(rate(row.bytes, ms), 3), floor ? text(floor->ms) : "-",
                       floor ? text(ms / floor->ms, 3) : "-", text(run.over_naive(row), 3),
                       text(run.over_lora_adamw(row), 3), text(run.over_dense_adamw(row), 3));
    if (floor && !floor->measured_parts.empty())
      parts += fmt::format("{:<44} {}\n", row.name, floor->measured_parts);
  }
  if (!parts.empty()) out += "\nfloors with measured parts, ms\n" + parts;
  return out;
}

Json report(const Run& run, const Run& compiled) {
  Json limits = Json::object(), rows = Json::array();
  for (const auto& [threads, limit] : run.limits())
    limits["threads" + std::to_string(threads)] = {{"update_gbs", limit.update_gbs},
                                                   {"fma_f32_gflops", limit.fma_f32_gflops},
                                                   {"fma_f64_gflops", limit.fma_f64_gflops}};
  for (const Row& row : run.rows()) {
    const double ms = row.median();
    const auto floor = run.floor(row);
    rows.push_back({{"name", row.name},
                    {"threads", row.threads},
                    {"ms", ms},
                    {"gflops", number(rate(row.flops, ms))},
                    {"gbs", number(rate(row.bytes, ms))},
                    {"floor_ms", floor ? Json(floor->ms) : Json(nullptr)},
                    {"over_floor", floor ? Json(ms / floor->ms) : Json(nullptr)},
                    {"over_naive", number(run.over_naive(row))},
                    {"over_lora_adamw", number(run.over_lora_adamw(row))},
                    {"over_dense_adamw", number(run.over_dense_adamw(row))}});
  }
  Json compiled_rows = Json::array();
  for (const Row& row : compiled.rows())
    compiled_rows.push_back({{"name", row.name},
                             {"threads", row.threads},
                             {"ms", row.median()},
                             {"over_headers", number(compiled.over(row, run))}});
  return {{"limits", limits}, {"rows", rows}, {"compiled", compiled_rows}};
}

/// Writes beside `path` and renames: a reader finds the old contents or the new, never half.
void write_atomically(const std::string& path, const std::string& contents) {
  const std::string temporary = path + ".part";
  std::ofstream file(temporary, std::ios::binary);
  file << contents;
  file.close();
  if (!file) throw std::runtime_error(temporary + ": cannot be written");
  std::filesystem::rename(temporary, path);
}

void run(const std::vector<std::string>& arguments) {
  constexpr const char* kUsage =
      "usage: report_table [--json FILE] RESULT.json... [--compiled RESULT.json...]";
  std::string json_path;
  Run run, compiled;
  Run* target = &run;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--json") {
      if (++i == arguments.size()) throw std::runtime_error(kUsage);
      json_path = arguments[i];
    } else if (arguments[i] == "--compiled") {
      target = &compiled;
    } else {
      target->read(arguments[i]);
    }
  }
  if (run.rows().empty()) throw std::runtime_error(kUsage);
  run.find_limits();
  std::fputs((table(run) + compiled_table(run, compiled)).c_str(), stdout);
  if (!json_path.empty()) write_atomically(json_path, report(run, compiled).dump(2) + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(std::vector<std::string>(argv + 1, argv + argc));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
