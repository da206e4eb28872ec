// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/checkpoint.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/optim/groups.hpp>
#include <lorapro/optim/observer.hpp>
#include <lorapro/optim/optimizer_config.hpp>
#include <lorapro/optim/slot.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "method.hpp"

namespace examples {

/// The optimizer of a method that is chosen at run time. The rules are templates: what a program
/// says through this interface is compiled once for all programs, in method_optimizer.cpp. Each
/// function is that of lorapro::Optimizer with its name.
class MethodOptimizer {
 public:
  using Adapter = lorapro::LoraLayer<float>;
  using Pair = lorapro::LoraView<float>;
  using Dense = lorapro::DenseView<float>;

  virtual ~MethodOptimizer() = default;

  virtual lorapro::GroupId add_group(const lorapro::GroupConfig& group) = 0;
  virtual void attach(Adapter& adapter, lorapro::GroupId group, const std::string& name) = 0;
  virtual void attach(const Pair& view, lorapro::GroupId group, const std::string& name) = 0;
  virtual void attach(const Dense& view, lorapro::GroupId group, const std::string& name) = 0;

  virtual void add_observer(lorapro::StepObserver observer) = 0;
  virtual void set_loss(double loss) = 0;
  [[nodiscard]] virtual lorapro::StepReport step(const lorapro::StepScale& scale) = 0;
  [[nodiscard]] lorapro::StepReport step() { return step({}); }
  virtual void zero_grad() = 0;
  virtual void reset_pairs() = 0;

  virtual const lorapro::OptimizerConfig& config() const = 0;
  virtual std::vector<lorapro::GroupConfig> groups() const = 0;
  virtual void set_config(const lorapro::OptimizerConfig& config,
                          const std::vector<lorapro::GroupConfig>& groups) = 0;
  virtual std::int64_t step_count() const = 0;
  virtual std::size_t state_bytes() = 0;

  /// As CheckpointWriter::add and CheckpointReader::load.
  virtual void add_to(lorapro::io::CheckpointWriter& checkpoint, const std::string& name) = 0;
  virtual void load(const lorapro::io::CheckpointReader& checkpoint, const std::string& name) = 0;
};

/// \throws lorapro::ConfigError (a field of config).
std::unique_ptr<MethodOptimizer> make_optimizer(Method method,
                                                const lorapro::OptimizerConfig& config);

}  // namespace examples
