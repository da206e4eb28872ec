// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "finetune_options.hpp"
#include "peers.hpp"

namespace examples::llm {

enum class FinetuneEnd { finished, interrupted };

/// Trains, tests and samples as the options say, together with peers that got the same ones and see
/// the same files.
/// \throws lorapro::Error, examples::UsageError: whatever is wrong with the options, the model, the
/// data or the machine, before anything is trained or written.
FinetuneEnd finetune(const FinetuneOptions& options, const Peers& peers = Peers());

}  // namespace examples::llm
