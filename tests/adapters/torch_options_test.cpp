// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ClipNorm;
using lorapro::ConfigError;
using lorapro::Gauge;
using lorapro::torch_adapter::Moments;
using Options = lorapro::torch_adapter::LoraProAdamWOptions;

TEST_CASE("options go through an archive whole", "[torch_options]") {
  const Options options = Options(0.25)
                              .betas(std::make_tuple(0.5, 0.75))
                              .eps(0.125)
                              .weight_decay(0.375)
                              .loraplus_lr_ratio(3)
                              .gauge(Gauge::zero)
                              .damping(0.625)
                              .max_relative_move(0.75)
                              .moments(Moments::spectral)
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
  CHECK(read.lr() == 0.25);
  CHECK(read.betas() == options.betas());
  CHECK(read.eps() == 0.125);
  CHECK(read.weight_decay() == 0.375);
  CHECK(read.loraplus_lr_ratio() == 3);
  CHECK(read.gauge() == Gauge::zero);
  CHECK(read.damping() == 0.625);
  CHECK(read.max_relative_move() == 0.75);
  CHECK(read.moments() == Moments::spectral);
  CHECK(read.max_grad_norm() == 5);
  CHECK(read.clip_norm() == ClipNorm::adapter);
  CHECK(read.scaling() == 7);
}

TEST_CASE("options are those of the library, clipping where a norm is given", "[torch_options]") {
  const Options options = Options(0.5).betas(std::make_tuple(0.25, 0.75)).eps(0.125).damping(0.5);
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
