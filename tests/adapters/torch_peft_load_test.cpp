// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

#include <lorapro/adapters/torch/peft.hpp>

#include "support/scratch_folder.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::ShapeError;
using lorapro::StateError;
using lorapro::io::PeftAdapter;
using lorapro::io::PeftConfig;
using lorapro::io::write_peft_adapter;
using lorapro::torch_adapter::load_peft;
using lorapro::torch_adapter::LoraLinear;
using lorapro::torch_adapter::peft_modules;
using lorapro::torch_adapter::PeftOptions;
using support::config_of;
using support::randomize;
using torch::Tensor;
using Strings = std::vector<std::string>;

/// A block of two LoraLinears, a pair written by hand and a head.
struct LoadedImpl : torch::nn::Module {
  LoadedImpl()
      : query(register_module("query", LoraLinear(6, 5))),
        value(register_module("value", LoraLinear(6, 4))),
        own(register_module("own", torch::nn::Sequential())),
        head(register_module("head", torch::nn::Linear(4, 3))) {}
  void add_own() {
    own_A = own->register_parameter("lora_A", torch::randn({2, 6}));
    own_B = own->register_parameter("lora_B", torch::randn({7, 2}));
  }
  LoraLinear query, value;
  torch::nn::Sequential own;
  torch::nn::Linear head;
  Tensor own_A, own_B;
};
TORCH_MODULE(Loaded);

Loaded adapted(std::uint64_t seed) {
  torch::manual_seed(seed);
  Loaded model;
  model->query->add_adapter(config_of(3, 6));
  auto other = config_of(2, 5);
  other.lora_dropout = 0.25;
  model->value->add_adapter(other);
  model->add_own();
  randomize(model->query->lora_B);
  randomize(model->value->lora_B);
  return model;
}

PeftOptions told_alpha() {
  PeftOptions options;
  options.lora_alpha = 3;
  return options;
}

TEST_CASE("a model goes to a PEFT directory and back with the same bits", "[torch_peft_load]") {
  const ScratchFolder scratch;
  const Loaded model = adapted(111);
  PeftConfig config;
  config.lora_dropout = 0.25;
  write_peft_adapter(scratch.path(), config, peft_modules(*model, told_alpha()));
  const PeftAdapter adapter(scratch.path());
  CHECK(adapter.file().find("base_model.model.query.lora_A.weight") != nullptr);

  const auto same = [&](const Loaded& other) {
    return torch::equal(other->query->lora_A, model->query->lora_A) &&
           torch::equal(other->query->lora_B, model->query->lora_B) &&
           torch::equal(other->value->lora_A, model->value->lora_A) &&
           torch::equal(other->value->lora_B, model->value->lora_B) &&
           torch::equal(other->own_A, model->own_A) && torch::equal(other->own_B, model->own_B);
  };
  Loaded prepared = adapted(112);
  CHECK(!same(prepared));
  auto report = load_peft(*prepared, adapter, told_alpha());
  CHECK(report.complete());
  CHECK(report.matched == Strings{"own", "query", "value"});
  CHECK(same(prepared));

  // Layers without adapters get them.
  torch::manual_seed(113);
  Loaded bare;
  bare->add_own();
  report = load_peft(*bare, adapter, told_alpha());
  CHECK(report.complete());
  CHECK(same(bare));
  CHECK(bare->query->scaling() == model->query->scaling());
  CHECK(bare->value->scaling() == model->value->scaling());
  CHECK(bare->value->config().lora_dropout == 0.25);
  CHECK(!bare->value->weight.requires_grad());
  CHECK(bare->value->lora_A.requires_grad());
}

TEST_CASE("what has no counterpart is reported and stays", "[torch_peft_load]") {
  const ScratchFolder scratch;
  Loaded model = adapted(114);
  auto modules = peft_modules(*model, told_alpha());
  modules.pop_back();  // value
  modules[0].path = "elsewhere";
  write_peft_adapter(scratch.path(), {}, modules);
  Loaded other = adapted(115);
  const Tensor before = other->value->lora_A.detach().clone();
  const auto report = load_peft(*other, PeftAdapter(scratch.path()), told_alpha());
  CHECK(report.matched == Strings{"query"});
  CHECK(report.missing == Strings{"own", "value"});
  CHECK(report.left_over == Strings{"elsewhere"});
  CHECK(torch::equal(before, other->value->lora_A));
  CHECK(torch::equal(other->query->lora_A, model->query->lora_A));
}

TEST_CASE("paths of the base model lead to modules of another name", "[torch_peft_load]") {
  const ScratchFolder scratch;
  Loaded model = adapted(116), other = adapted(117);
  PeftOptions options = told_alpha();
  options.path_of = [](const std::string& path) { return "model.layers.0." + path; };
  write_peft_adapter(scratch.path(), {}, peft_modules(*model, options));
  const PeftAdapter adapter(scratch.path());
  CHECK(adapter.modules()[1].path == "model.layers.0.query");
  CHECK(!load_peft(*other, adapter, told_alpha()).complete());
  CHECK(load_peft(*other, adapter, options).complete());
  CHECK(torch::equal(other->value->lora_B, model->value->lora_B));
}

TEST_CASE("tensors saved whole go into the parameters of their names", "[torch_peft_load]") {
  const ScratchFolder scratch;
  Loaded model = adapted(118);
  const std::vector<float> weight(12, 0.5F);
  lorapro::io::SafetensorsWriter writer;
  writer.add("head.weight", {3, 4}, weight.data());
  writer.write(scratch.path() / "head.safetensors");
  const auto head =
      std::make_shared<const lorapro::io::SafetensorsReader>(scratch.path() / "head.safetensors");
  PeftConfig config;
  config.modules_to_save = {"head"};
  write_peft_adapter(scratch.path(), config, peft_modules(*model, told_alpha()),
                     lorapro::StorageType::f32,
                     {{"head.weight", head, head->at("head.weight", {3, 4})}});
  const PeftAdapter adapter(scratch.path());
  const auto report = load_peft(*model, adapter, told_alpha());
  CHECK(report.complete());
  CHECK(report.matched.back() == "head.weight");
  CHECK(torch::equal(model->head->weight, torch::full({3, 4}, 0.5F)));

  Loaded narrow = adapted(119);
  narrow->head->weight.set_data(torch::zeros({2, 4}));
  const Tensor before = narrow->query->lora_A.detach().clone();
  CHECK_THAT(message_of<ShapeError>([&] { (void)load_peft(*narrow, adapter, told_alpha()); }),
             contains_text("head.weight: expected shape (2, 4), as the model has, got (3, 4)"));
  CHECK(torch::equal(before, narrow->query->lora_A));
}

TEST_CASE("what does not fit is refused before anything changes", "[torch_peft_load]") {
  const ScratchFolder scratch;
  write_peft_adapter(scratch.path(), {}, peft_modules(*adapted(120), told_alpha()));
  const PeftAdapter adapter(scratch.path());
  const auto refused = [&](Loaded model, const PeftOptions& options = told_alpha()) {
    const Tensor before = model->query->lora_A.detach().clone();
    const std::string message =
        message_of<lorapro::Error>([&] { (void)load_peft(*model, adapter, options); });
    CHECK(torch::equal(before, model->query->lora_A));
    return message;
  };
  const auto with_value = [&](const lorapro::LoraConfig& config, std::int64_t in = 6) {
    Loaded model = adapted(121);
    model->value = model->replace_module("value", LoraLinear(in, 4));
    model->value->add_adapter(config);
    return model;
  };
  CHECK_THAT(refused(with_value(config_of(4, 5))),
             contains_text("value: expected rank 4, as the model has, got 2"));
  CHECK_THAT(refused(with_value(config_of(2, 7))), contains_text("value: expected scaling 3.5"));
  CHECK_THAT(refused(with_value(config_of(2, 5), 8)), contains_text("value: expected"));
  PeftOptions other = told_alpha();
  other.lora_alpha = 4;
  CHECK_THAT(refused(adapted(122), other), contains_text("own: expected scaling 2.0"));
  Loaded merged = adapted(123);
  merged->value->merge();
  CHECK_THAT(refused(merged), contains_text("value: expected an unmerged layer to load into"));

  // Finite in the file, not in the parameter's type.
  Loaded large = adapted(124);
  {
    const torch::NoGradGuard no_grad;
    large->value->lora_B.fill_(1e6);
  }
  const ScratchFolder of_large;
  write_peft_adapter(of_large.path(), {}, peft_modules(*large, told_alpha()));
  Loaded half = adapted(125);
  half->value->to(torch::kHalf);
  const Tensor before = half->query->lora_A.detach().clone();
  CHECK_THAT(message_of<ConfigError>(
                 [&] { (void)load_peft(*half, PeftAdapter(of_large.path()), told_alpha()); }),
             contains_text("value.lora_B: expected numbers that are finite"));
  CHECK(torch::equal(before, half->query->lora_A));
}

}  // namespace
