// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "tokens.hpp"

namespace examples::llm {

/// A whole text, which is trained on from its beginning to its end.
struct WholeText {
  std::string text;
};

/// A text without an end, such as a book, that is cut into windows.
struct RunningText {
  std::string text;
};

/// What is asked, and what is to be answered.
struct Completion {
  std::string prompt;
  std::string completion;
};

struct Message {
  std::string role;  // system, user or assistant
  std::string content;
};

using Conversation = std::vector<Message>;

/// A part of a text that somebody else has rendered, special tokens included.
struct Segment {
  std::string text;
  bool train = false;
};

using Segments = std::vector<Segment>;

/// One example of a file of training data.
struct DataExample {
  Index line = 0;  // of the file, from 1
  std::variant<WholeText, RunningText, Completion, Conversation, Segments> content;
};

/// The examples of a file, all of one format.
struct DataFile {
  std::string path;
  std::vector<DataExample> examples;
};

}  // namespace examples::llm
