// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/tensor_rules.hpp>

#include <cmath>    // std::sqrt
#include <memory>   // std::unique_ptr
#include <string>   // std::string
#include <utility>  // std::move
#include <vector>   // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// A rule of the library by tensor operations: the same numbers but for rounding, on any device
/// that has double. It waits for the device three times a step, and at the first one of each pair.
class TensorEngine final : public Engine {
 public:
  explicit TensorEngine(std::string rule) : name_(std::move(rule)) {}

  /// \throws as make_tensor_rule.
  void add(const Item& item) override {
    if (rule_ == nullptr) rule_ = make_tensor_rule(name_, item);
    items_.push_back({item, item.A.device()});
  }

  void check() const override {
    for (const Member& member : items_)
      if (member.item.A.device() != member.device)
        throw StateError(member.item.name + ": expected a tensor on " + member.device.str() +
                         ", got one on " + member.item.A.device().str() +
                         ": make the optimizer after to()");
  }

  StepReport step(const LoraProOptions& options, StateMap& states) override {
    StepReport report;
    std::vector<TensorWork> works;
    for (const Member& member : items_)
      if (member.item.has_gradient()) works.emplace_back(member.item, rule_->projects());
    if (works.empty()) return report;
    drop(works, report.skipped_non_finite, [](TensorWork& work) { return work.read(); });
    const OptimizerConfig config = rule_->resolved(options.config());
    for (TensorWork& work : works) work.project_as(config, state_of(states, work.item->A));
    drop(works, report.skipped_overflow, [](TensorWork& work) { return work.solve(); });
    if (works.empty()) return report;

    std::vector<torch::Tensor> norms, deficient;
    for (const TensorWork& work : works) {
      norms.push_back(config.group.clip_norm == ClipNorm::adapter ? work.raw_norm : work.norm);
      if (work.projected) deficient.push_back(work.pair->deficient());
    }
    if (config.group.clip_norm != ClipNorm::none) {
      report.grad_norm = std::sqrt(total(norms));
      if (report.grad_norm > config.group.max_grad_norm)
        report.clip_factor = config.group.max_grad_norm / report.grad_norm;
    }
    for (const TensorWork& work : works)
      update({work, config, report.clip_factor, state_of(states, work.item->A)});
    report.updated = static_cast<Index>(works.size());
    report.rank_deficient = static_cast<Index>(total(deficient));
    return report;
  }

  // The states are the map's own.
  void export_states(StateMap&) override {}
  void import_states(StateMap&) override {}

 private:
  struct Member {
    Item item;
    torch::Device device;
  };

  /// Drops and counts the works for which keep(work) gives false on the device.
  template <typename Keep>
  static void drop(std::vector<TensorWork>& works, Index& count, const Keep& keep) {
    std::vector<torch::Tensor> flags;
    for (TensorWork& work : works) flags.push_back(keep(work));
    std::vector<TensorWork> kept;
    for (std::size_t i = 0; i < works.size(); ++i) {
      if (flags[i].item<bool>()) {
        kept.push_back(std::move(works[i]));
      } else {
        ++count;
      }
    }
    works = std::move(kept);
  }

  static double total(const std::vector<torch::Tensor>& numbers) {
    double sum = 0;
    for (const torch::Tensor& number : numbers) sum += number.to(torch::kDouble).item<double>();
    return sum;
  }

  void update(TensorUpdate update) const {
    const Item& item = update.item();
    const double lr = update.config.group.lr;
    if (item.is_pair()) {
      const TensorStep direction = rule_->direction(update);
      update.descend(item.A, "_A", direction.A, lr);
      update.descend(item.B, "_B", direction.B, lr * update.config.group.loraplus_lr_ratio);
      rule_->moved(update);
    } else {
      update.descend(item.A, "", rule_->dense_direction(update), lr);
    }
    update.state.step(update.step());
  }

  std::string name_;
  std::unique_ptr<TensorRule> rule_;  // of the first item on
  std::vector<Member> items_;
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
