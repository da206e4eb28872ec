// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune_data.hpp"

#include <lorapro/core/file_error.hpp>
#include <fmt/format.h>

#include "chat_template_file.hpp"
#include "data_files.hpp"

namespace examples::llm {

namespace {

DataPart load_part(const std::filesystem::path& path, const FinetuneOptions& options,
                   const Tokenizer& tokenizer, Index vocabulary) {
  const DataFile file = read_data(path);
  EncodeOptions encode;
  encode.max_length = options.max_length;
  encode.train_on_prompt = options.train_on_prompt;
  encode.vocabulary = vocabulary;
  if (std::holds_alternative<Conversation>(file.examples.front().content)) {
    encode.chat = chat_template_of(options);
  }
  return {path, encode_data(file, tokenizer, encode)};
}

}  // namespace

std::string DataPart::summary() const {
  std::string text = fmt::format("{}: {} examples, {} tokens, {} of them to learn", path.string(),
                                 data.examples.size(), data.tokens, data.labels);
  if (data.truncated > 0) text += fmt::format("; {} truncated", data.truncated);
  if (data.left_out > 0) {
    text += fmt::format("; {} left out, with nothing to learn before --max-length", data.left_out);
  }
  return text;
}

ChatTemplate chat_template_of(const FinetuneOptions& options) {
  if (options.chat_style) return {*options.chat_style, ""};
  if (!std::filesystem::is_directory(options.model)) {
    throw lorapro::FormatError(options.model +
                               ": expected a folder with a chat template, got a file; "
                               "--chat-template names one");
  }
  return read_chat_template(options.model);
}

FinetuneData load_data(const FinetuneOptions& options, const Tokenizer& tokenizer,
                       Index vocabulary) {
  DataPaths paths;
  if (options.trains()) paths = find_data(options.data);
  if (!options.valid.empty()) paths.valid = options.valid;
  if (!options.test.empty()) paths.test = options.test;
  const auto load = [&](const std::filesystem::path& path) {
    return load_part(path, options, tokenizer, vocabulary);
  };
  FinetuneData data;
  if (options.trains()) data.train = load(paths.train);
  if (paths.valid) data.valid = load(*paths.valid);
  if (paths.test) data.test = load(*paths.test);
  return data;
}

}  // namespace examples::llm
