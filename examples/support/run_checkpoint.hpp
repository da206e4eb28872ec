// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/checkpoint.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "method_optimizer.hpp"
#include "run.hpp"

namespace examples {

struct CheckpointOptions {
  std::filesystem::path file;
  std::int64_t every = 0;  // steps; 0 for no checkpoints
  bool resume = false;
};

/// The state of the training under way in a file, from which --resume goes on.
class RunCheckpoint {
 public:
  explicit RunCheckpoint(CheckpointOptions options) : options_(std::move(options)) {}

  const std::filesystem::path& path() const { return options_.file; }
  bool due(std::int64_t step) const { return options_.every > 0 && step % options_.every == 0; }

  /// The key of the training in the file; nothing if none is to be taken up.
  /// \throws lorapro::Error (a file that is no such checkpoint).
  std::optional<RunKey> key() const;

  /// Writes the optimizer with all that is attached, and what else the caller keeps.
  void save(const RunKey& key, const nlohmann::json& progress, MethodOptimizer& optimizer) const;

  /// Restores the optimizer and what is attached to it. \return what else was kept; nothing, if the
  /// file has no training of this key to go on with.
  std::optional<nlohmann::json> load(const RunKey& key, MethodOptimizer& optimizer) const;

  /// The training is done and recorded elsewhere.
  void remove() const {
    std::error_code ignored;
    if (options_.every > 0 || options_.resume) std::filesystem::remove(path(), ignored);
  }

 private:
  nlohmann::json json_value(const lorapro::io::CheckpointReader& checkpoint,
                            const char* name) const;

  CheckpointOptions options_;
};

}  // namespace examples
