// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ClipNorm;
using lorapro::ConfigError;
using lorapro::Gauge;
using Options = lorapro::torch_adapter::LoraProOptions;

TEST_CASE("options go through an archive whole", "[torch_options]") {
  const Options options = Options(0.25)
                              .rule("lora_pro_full")
                              .beta1(0.5)
                              .beta2(0.75)
                              .eps(0.125)
                              .weight_decay(0.375)
                              .loraplus_lr_ratio(3)
                              .gauge(Gauge::zero)
                              .damping(0.625)
                              .max_relative_move(0.75)
                              .max_grad_norm(5)
                              .clip_norm(ClipNorm::adapter)
                              .scaling(7);
  torch::serialize::OutputArchive out;
  options.serialize(out);
  std::stringstream file;
  out.save_to(file);
  torch::serialize::InputArchive in;
  in.load_from(file);
  Options read;
  read.serialize(in);
  CHECK(read.rule() == "lora_pro_full");
  CHECK(read.lr() == 0.25);
  CHECK(read.beta1() == 0.5);
  CHECK(read.beta2() == 0.75);
  CHECK(read.eps() == 0.125);
  CHECK(read.weight_decay() == 0.375);
  CHECK(read.loraplus_lr_ratio() == 3);
  CHECK(read.gauge() == Gauge::zero);
  CHECK(read.damping() == 0.625);
  CHECK(read.max_relative_move() == 0.75);
  CHECK(read.max_grad_norm() == 5);
  CHECK(read.clip_norm() == ClipNorm::adapter);
  CHECK(read.scaling() == 7);
}

TEST_CASE("what is unset stays so through an archive", "[torch_options]") {
  torch::serialize::OutputArchive out;
  Options().serialize(out);
  std::stringstream file;
  out.save_to(file);
  torch::serialize::InputArchive in;
  in.load_from(file);
  Options read = Options().beta1(0.5).max_relative_move(0.25);
  read.serialize(in);
  CHECK_FALSE(read.beta1());
  CHECK_FALSE(read.max_relative_move());
}

TEST_CASE("the defaults are the library's", "[torch_options]") {
  const Options options;
  CHECK(options.rule() == lorapro::LoraPro<lorapro::SpectralMoments>::kName);
  CHECK(options.rule() == lorapro::rule_names().front());
  const lorapro::OptimizerConfig ours = options.config(), theirs;
  CHECK(ours.group.lr == theirs.group.lr);
  CHECK(ours.group.loraplus_lr_ratio == theirs.group.loraplus_lr_ratio);
  CHECK(ours.group.weight_decay == theirs.group.weight_decay);
  CHECK(ours.group.decay_target == theirs.group.decay_target);
  CHECK(ours.group.clip_norm == theirs.group.clip_norm);
  CHECK(ours.group.max_grad_norm == theirs.group.max_grad_norm);
  CHECK(ours.beta1 == theirs.beta1);
  CHECK(ours.beta2 == theirs.beta2);
  CHECK(ours.eps == theirs.eps);
  CHECK(ours.damping == theirs.damping);
  CHECK(ours.max_relative_move == theirs.max_relative_move);
  CHECK(ours.gauge == theirs.gauge);
  CHECK_NOTHROW(options.validate());
}

TEST_CASE("options are those of the library, clipping where a norm is given", "[torch_options]") {
  const Options options = Options(0.5).beta1(0.25).beta2(0.75).eps(0.125).damping(0.5);
  auto config = options.config();
  CHECK(config.group.lr == 0.5);
  CHECK(config.beta1 == 0.25);
  CHECK(config.beta2 == 0.75);
  CHECK(config.eps == 0.125);
  CHECK(config.damping == 0.5);
  CHECK_FALSE(config.max_relative_move);
  CHECK(Options(options).max_relative_move(0.25).config().max_relative_move == 0.25);
  CHECK(config.group.clip_norm == lorapro::OptimizerConfig().group.clip_norm);
  config = Options(options).max_grad_norm(2).clip_norm(ClipNorm::none).config();
  CHECK(config.group.max_grad_norm == 2);
  CHECK(config.group.clip_norm == ClipNorm::equivalent_gradient);
  config = Options(options).max_grad_norm(2).clip_norm(ClipNorm::adapter).config();
  CHECK(config.group.clip_norm == ClipNorm::adapter);
}

TEST_CASE("an enumerator that there is not is refused from an archive", "[torch_options]") {
  torch::serialize::OutputArchive out;
  Options().serialize(out);
  out.write("gauge", torch::IValue(std::int64_t{7}));
  std::stringstream file;
  out.save_to(file);
  torch::serialize::InputArchive in;
  in.load_from(file);
  Options read;
  CHECK_THAT(message_of<ConfigError>([&] { read.serialize(in); }),
             contains_text("gauge: expected the number of one of three choices, got 7"));
}

}  // namespace
