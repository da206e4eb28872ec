// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <optional>

#include "evaluation.hpp"
#include "finetune_data.hpp"
#include "finetune_run.hpp"

namespace examples::llm {

/// Writes results.json, whole or not at all.
/// \param key  of the training. \param test  of its adapter, where there are test data.
/// \throws lorapro::FileError.
void write_results(const std::filesystem::path& path, const FinetuneOptions& options,
                   const RunKey& key, const FinetuneData& data, const FinetuneOutcome& outcome,
                   const std::optional<Evaluation>& test, const Llama<float>& model);

}  // namespace examples::llm
