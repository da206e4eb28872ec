// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/lorapro.hpp>
#include <cstddef>
#include <string>

#include "../nn/training.hpp"
#include "experiment.hpp"
#include "method.hpp"
#include "run_options.hpp"

// What the programs that fine-tune a classifier have in common: a pretrained body, of which
// adapters or the weights of linear layers are trained, and a new head.
namespace examples {

// Of the head, which every method trains alike: by AdamW, or by the plain gradient descent of the
// methods that use it.
constexpr double kHeadRateAdamW = 3e-3;
constexpr double kHeadRateSgd = 1e-1;

/// Freezes the body up to what `request` trains: adapters on its linear layers, or the weights of
/// these as a whole. Biases, norms and embeddings stay as they are.
/// \param chooses  whether the linear layer of this name is trained.
template <typename Model, typename Chooses>
void choose_trained(Model& model, const RunOptions& options, const RunRequest& request,
                    const Chooses& chooses) {
  if (info(request.method).trains_adapters) {
    nn::attach_adapters(
        model,
        [&](std::size_t layer) { return options.lora_config(request.method, request.key, layer); },
        chooses);
  } else {
    nn::freeze(model);
    nn::for_each_linear(model, [&](const std::string& name, auto& linear) {
      if (chooses(name)) linear.weight().unfreeze();
    });
  }
}

/// Gives the optimizer the head, in a group with its own rate. \return how many numbers it has.
template <typename Optimizer, typename Head>
lorapro::Index attach_head(Optimizer& optimizer, Head& head, Method method) {
  lorapro::GroupConfig config;
  config.lr = info(method).uses_adamw ? kHeadRateAdamW : kHeadRateSgd;
  const auto group = optimizer.add_group(config);
  lorapro::Index count = 0;
  head.for_each_parameter("head", [&](const std::string& name, auto& parameter) {
    optimizer.attach(lorapro::DenseView<float>{parameter.value.data(), parameter.grad.data(),
                                               parameter.value.size()},
                     group, name);
    count += parameter.value.size();
  });
  return count;
}

}  // namespace examples
