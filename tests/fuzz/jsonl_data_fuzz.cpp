// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/jsonl_data.hpp"

#include <lorapro/core/file_error.hpp>
#include <nlohmann/json.hpp>

#include <cstdlib>  // std::abort
#include <sstream>  // std::istringstream

namespace {

using namespace examples::llm;
using Json = nlohmann::json;

struct Written {
  Json operator()(const WholeText& text) const { return {{"text", text.text}}; }
  Json operator()(const RunningText&) const { std::abort(); }  // of .txt files alone
  Json operator()(const Completion& it) const {
    return {{"prompt", it.prompt}, {"completion", it.completion}};
  }
  Json operator()(const Conversation& it) const {
    Json messages = Json::array();
    for (const Message& message : it)
      messages.push_back({{"role", message.role}, {"content", message.content}});
    return {{"messages", messages}};
  }
  Json operator()(const Segments& it) const {
    Json segments = Json::array();
    for (const Segment& segment : it)
      segments.push_back({{"text", segment.text}, {"train", segment.train}});
    return {{"segments", segments}};
  }
};

}  // namespace

// A JSONL file. What is taken are examples of one format; each, written, is taken again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream stream(std::string(reinterpret_cast<const char*>(data), size));
  try {
    const DataFile file = parse_jsonl(stream, "x");
    if (file.examples.empty()) std::abort();
    Index line = 0;
    for (const DataExample& example : file.examples) {
      if (example.line <= line) std::abort();
      line = example.line;
      if (example.content.index() != file.examples.front().content.index()) std::abort();
      const Json written = std::visit(Written(), example.content);
      const DataExample again = parse_example(written.dump(), line, "x");
      if (std::visit(Written(), again.content) != written) std::abort();
    }
  } catch (const lorapro::FormatError&) {
  }
  return 0;
}
