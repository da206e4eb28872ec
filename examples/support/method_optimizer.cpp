// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "method_optimizer.hpp"

#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/rules.hpp>

#include <utility>  // std::move

namespace examples {

namespace {

/// The only place of the programs that compiles the optimizer of a rule.
template <typename Rule>
class MethodOptimizerOfRule final : public MethodOptimizer {
 public:
  explicit MethodOptimizerOfRule(const lorapro::OptimizerConfig& config) : optimizer_(config) {}

  lorapro::GroupId add_group(const lorapro::GroupConfig& group) override {
    return optimizer_.add_group(group);
  }
  void attach(Adapter& adapter, lorapro::GroupId group, const std::string& name) override {
    optimizer_.attach(adapter, group, name);
  }
  void attach(const Pair& view, lorapro::GroupId group, const std::string& name) override {
    optimizer_.attach(view, group, name);
  }
  void attach(const Dense& view, lorapro::GroupId group, const std::string& name) override {
    optimizer_.attach(view, group, name);
  }
  void add_observer(lorapro::StepObserver observer) override {
    optimizer_.add_observer(std::move(observer));
  }
  void set_loss(double loss) override { optimizer_.set_loss(loss); }
  lorapro::StepReport step(const lorapro::StepScale& scale) override {
    return optimizer_.step(scale);
  }
  void zero_grad() override { optimizer_.zero_grad(); }
  void reset_pairs() override { optimizer_.reset_pairs(); }
  const lorapro::OptimizerConfig& config() const override { return optimizer_.config(); }
  std::vector<lorapro::GroupConfig> groups() const override {
    std::vector<lorapro::GroupConfig> all;
    for (lorapro::Index i = 0; i < optimizer_.group_count(); ++i) {
      all.push_back(optimizer_.group({i}));
    }
    return all;
  }
  void set_config(const lorapro::OptimizerConfig& config,
                  const std::vector<lorapro::GroupConfig>& groups) override {
    optimizer_.set_config(config, groups);
  }
  std::int64_t step_count() const override { return optimizer_.step_count(); }
  std::size_t state_bytes() override { return optimizer_.state_bytes(); }
  void add_to(lorapro::io::CheckpointWriter& checkpoint, const std::string& name) override {
    checkpoint.add(name, optimizer_);
  }
  void load(const lorapro::io::CheckpointReader& checkpoint, const std::string& name) override {
    checkpoint.load(name, optimizer_);
  }

 private:
  lorapro::Optimizer<float, Rule> optimizer_;
};

}  // namespace

std::unique_ptr<MethodOptimizer> make_optimizer(Method method,
                                                const lorapro::OptimizerConfig& config) {
  return lorapro::visit_rule<float>(
      info(method).rule, [&](auto tag) -> std::unique_ptr<MethodOptimizer> {
        return std::make_unique<MethodOptimizerOfRule<typename decltype(tag)::Rule>>(config);
      });
}

}  // namespace examples
