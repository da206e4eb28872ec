// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "encode_data.hpp"
#include "finetune_options.hpp"

namespace examples::llm {

/// A file of data, read, encoded, and described for the user.
struct DataPart {
  std::filesystem::path path;
  EncodedData data;

  /// "train.jsonl: 100 examples, 5120 tokens, 3000 of them to learn; 2 truncated, 1 left out"
  std::string summary() const;
};

struct FinetuneData {
  std::optional<DataPart> train, valid, test;
};

/// The chat template that the options name, or else the model's own.
/// \throws as read_chat_template; lorapro::FormatError (a model that is no folder).
ChatTemplate chat_template_of(const FinetuneOptions& options);

/// Reads what the options name: each part for itself, or the parts of a folder.
/// \param vocabulary  of the model. \throws as find_data, read_data, encode_data.
FinetuneData load_data(const FinetuneOptions& options, const Tokenizer& tokenizer,
                       Index vocabulary);

}  // namespace examples::llm
