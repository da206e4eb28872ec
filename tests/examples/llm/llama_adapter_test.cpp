// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/llama_adapter.hpp"

#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/tiny_llama.hpp"

namespace {

using examples::llm::load_adapter_into;
using examples::llm::options_for;
using examples::llm::read_llama_adapter;
using examples::llm::write_llama_adapter;
namespace tiny = tiny_llama;
using TinyModel = tiny::Llama<float>;

tiny::LlamaOptions rslora_options() {
  tiny::LlamaOptions options = tiny::options();
  options.lora.use_rslora = true;
  options.targets = {"q_proj", "k_proj", "down_proj"};
  options.rank_pattern = {{"k_proj", 2}, {"down_proj", 5}};
  return options;
}

TEST_CASE("an adapter that was written is the same when it is read again", "[llm][adapter]") {
  const ScratchFolder folder;
  const std::string out = (folder.path() / "out").string();
  auto model = tiny::model<float>(tiny::config(), rslora_options());
  CHECK(write_llama_adapter(out, model, "tiny").empty());
  const auto examples = tiny::batch(tiny::config(), {9});
  const auto expected = model.logits(examples);
  for (const std::string& path : {out, out + "/adapter.gguf"}) {
    INFO(path);
    const auto modules = read_llama_adapter(path, tiny::config());
    REQUIRE(modules.size() == 6);
    TinyModel again(std::make_shared<tiny::RandomTensors>(tiny::config()),
                    options_for(tiny::options(), modules));
    CHECK(again.trained().size() == 6);
    CHECK((again.logits(examples) - expected).cwiseAbs().maxCoeff() > 1e-3);
    load_adapter_into(again, modules);
    CHECK((again.logits(examples) - expected).cwiseAbs().maxCoeff() < 1e-5);
  }
}

TEST_CASE("an adapter of another model is refused", "[llm][adapter]") {
  const ScratchFolder folder;
  const std::string out = (folder.path() / "out").string();
  auto model = tiny::model<float>(tiny::config(), rslora_options());
  write_llama_adapter(out, model, "tiny");
  tiny::LlamaConfig wider = tiny::config();
  wider.intermediate_size = 32;
  for (const std::string& path : {out, out + "/adapter.gguf"})
    CHECK_THAT(message_of<lorapro::Error>([&] { read_llama_adapter(path, wider); }),
               contains_text("expected (16, 32), as the") && contains_text("got (16, 24)"));
  tiny::LlamaConfig shorter = tiny::config();
  shorter.layers = 1;
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { read_llama_adapter(out, shorter); }),
             contains_text("model.layers.1.") && contains_text("expected a linear layer"));

  const auto modules = read_llama_adapter(out, tiny::config());
  auto all = tiny::model<float>(tiny::config(), tiny::options());
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { load_adapter_into(all, modules); }),
             contains_text("expected a pair for") && contains_text("got none"));
  tiny::LlamaOptions fewer = rslora_options();
  fewer.targets = {"q_proj"};
  fewer.rank_pattern.clear();
  auto some = tiny::model<float>(tiny::config(), fewer);
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { load_adapter_into(some, modules); }),
             contains_text("expected no pair for"));
  tiny::LlamaOptions higher = rslora_options();
  higher.lora.rank = 4;
  auto other = tiny::model<float>(tiny::config(), higher);
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { load_adapter_into(other, modules); }),
             contains_text("expected rank 4, as the layer has, got 3"));
}

}  // namespace
