// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "lorapro_c.h"

#include <lorapro/optim/any_optimizer.hpp>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct lorapro_optimizer : lorapro::AnyOptimizer<float> {
  using AnyOptimizer::AnyOptimizer;
};

namespace {

thread_local std::string last_error;

/// No exception may leave for C.
template <typename Function>
int guarded(const Function& function) {
  try {
    function();
    return 1;
  } catch (const std::exception& error) {
    last_error = error.what();
    return 0;
  }
}

template <typename T>
T* checked(T* pointer, const char* name) {
  if (pointer == nullptr) throw std::invalid_argument(std::string(name) + ": expected no NULL");
  return pointer;
}

std::unique_ptr<lorapro_optimizer> create(const lorapro_options& options) {
  lorapro::OptimizerConfig config;
  config.group.lr = options.lr;
  config.group.weight_decay = options.weight_decay;
  if (options.beta1 != LORAPRO_BETA1_OF_RULE) config.beta1 = options.beta1;
  config.beta2 = options.beta2;
  config.eps = options.eps;
  config.damping = options.damping;
  config.threads = options.threads;
  return std::make_unique<lorapro_optimizer>(checked(options.rule, "rule"), config);
}

}  // namespace

const char* lorapro_rule_name(int index) {
  static const std::vector<std::string> names = lorapro::rule_names();
  const bool exists = index >= 0 && static_cast<std::size_t>(index) < names.size();
  return exists ? names[static_cast<std::size_t>(index)].c_str() : nullptr;
}

lorapro_options lorapro_default_options() {
  const lorapro::OptimizerConfig config;
  return {lorapro_rule_name(0),  config.group.lr, config.group.weight_decay,
          LORAPRO_BETA1_OF_RULE, config.beta2,    config.eps,
          config.damping,        config.threads};
}

lorapro_optimizer* lorapro_create(const lorapro_options* options) {
  lorapro_optimizer* created = nullptr;
  guarded([&] { created = create(*checked(options, "options")).release(); });
  return created;
}

void lorapro_destroy(lorapro_optimizer* optimizer) { delete optimizer; }

int lorapro_attach_pair(lorapro_optimizer* optimizer, float* lora_A, float* lora_B, float* grad_A,
                        float* grad_B, int64_t out_features, int64_t in_features, int64_t rank,
                        double scaling) {
  return guarded([&] {
    checked(optimizer, "optimizer")
        ->attach(lorapro::row_major_view(lora_A, lora_B, grad_A, grad_B, out_features, in_features,
                                         rank, scaling));
  });
}

int lorapro_attach_dense(lorapro_optimizer* optimizer, float* value, float* grad, int64_t size) {
  return guarded([&] {
    checked(optimizer, "optimizer")->attach(lorapro::DenseView<float>{value, grad, size});
  });
}

int lorapro_step(lorapro_optimizer* optimizer, lorapro_report* report) {
  return guarded([&] {
    const lorapro::StepReport done = checked(optimizer, "optimizer")->step();
    if (report != nullptr) {
      *report = {done.step, done.updated, done.skipped()};
    }
  });
}

int lorapro_set_lr(lorapro_optimizer* optimizer, double lr) {
  return guarded([&] { checked(optimizer, "optimizer")->set_lr(lr); });
}

const char* lorapro_last_error() { return last_error.c_str(); }
