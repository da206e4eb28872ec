// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/atomic_file.hpp>
#include <algorithm>  // std::find_if
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "run.hpp"

namespace examples {

/// What the runs of an example measure.
struct Task {
  std::string name;    // "image_classification"
  std::string metric;  // "accuracy"
  bool higher_is_better = true;
  bool is_share = false;  // of what was tested: told in percent
};

/// The runs in DIR/results.json; DIR/results.csv has the same without the curves.
class Results {
 public:
  /// Takes up the runs that DIR holds already, unless `fresh`.
  /// \throws std::runtime_error if its results.json was not written by this task.
  Results(Task task, std::filesystem::path dir, bool fresh)
      : task_(std::move(task)), dir_(std::move(dir)) {
    std::filesystem::create_directories(dir_);
    if (!fresh) read();
  }

  std::filesystem::path json_path() const { return dir_ / "results.json"; }

  /// The run with this key, or null.
  const Run* find(const RunKey& key) const {
    const auto found =
        std::find_if(runs_.begin(), runs_.end(), [&](const Run& run) { return run.key == key; });
    return found == runs_.end() ? nullptr : &*found;
  }

  /// Adds a run and writes the files, so that an interruption costs at most the run under way.
  void add(Run run);

 private:
  void read();

  std::string json() const;

  std::string csv() const;

  Task task_;
  std::filesystem::path dir_;
  std::vector<Run> runs_;
};

}  // namespace examples
