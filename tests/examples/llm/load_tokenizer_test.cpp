// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/json_document.hpp>

#include "llm/tokenizer.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/stories.hpp"

namespace {

using examples::llm::load_tokenizer;
using examples::llm::SpecialTokens;
using examples::llm::TokenId;

std::vector<TokenId> ids_with_bos(const examples::llm::Tokenizer& tokenizer,
                                  const std::string& text) {
  std::vector<TokenId> ids;
  if (tokenizer.adds_bos()) ids.push_back(tokenizer.bos().value());
  tokenizer.encode(text, SpecialTokens::parse, ids);
  return ids;
}

}  // namespace

TEST_CASE("each file of stories260K encodes as llama.cpp does", "[may_skip]") {
  if (stories_folder().empty()) skip_test("LORAPRO_STORIES_DIR names no folder");
  const std::filesystem::path folder = stories_folder();
  const auto reference =
      lorapro::io::read_document<nlohmann::json>(folder / "stories260K_reference.json");
  for (const char* const file : {"tok512.bin", "stories260K_hf", "stories260K.gguf"}) {
    INFO(file);
    const auto tokenizer = load_tokenizer((folder / file).string());
    CHECK(tokenizer->size() == 512);
    CHECK(tokenizer->bos() == 1);
    CHECK(tokenizer->eos() == 2);
    for (const char* const name : {"prompt", "text"}) {
      const std::string text = reference.at(name);
      const std::vector<TokenId> ids = reference.at(std::string(name) + "_ids");
      CHECK(ids_with_bos(*tokenizer, text) == ids);
      CHECK(tokenizer->decode(ids) == text);
    }
  }
}

TEST_CASE("what is no tokenizer is refused by name") {
  const auto problem = [](const std::filesystem::path& path) {
    return message_of<lorapro::Error>([&] { load_tokenizer(path.string()); });
  };
  const ScratchFolder folder;
  CHECK_THAT(problem(folder.path()), contains_text("tokenizer.json or tokenizer.model"));
  CHECK_THAT(problem(folder.path() / "none"), contains_text("expected a file, got none"));
  CHECK_THAT(problem(folder.write("empty", "")), contains_text("got an empty file"));
  CHECK_THAT(problem(folder.write("pointer", "version https://git-lfs.github.com/spec/v1")),
             contains_text("got a pointer of git LFS"));
  CHECK_THAT(problem(folder.write("tokenizer.json", "{}")), contains_text("model: expected"));
  CHECK_THAT(problem(folder.path()), contains_text("tokenizer.json: model: expected"));
  CHECK_THAT(problem(folder.write("a.gguf", "GGUF")), contains_text("version: expected 4 bytes"));
  CHECK_THAT(problem(folder.write("a.model", "\n\x7f")), contains_text("within the message"));
}
