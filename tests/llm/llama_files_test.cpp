// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/llama_files.hpp"

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

TEST_CASE("a file of another kind is no model", "[llm][files]") {
  const ScratchFolder folder;
  const std::string path = folder.write("model.pt", "PK...").string();
  CHECK_THAT(message_of<lorapro::FormatError>([&] { examples::llm::open_model(path); }),
             contains_text("expected a folder with config.json and safetensors files, a GGUF"));
}

}  // namespace
