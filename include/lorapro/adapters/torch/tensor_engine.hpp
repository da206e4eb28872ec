// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/tensor_rules.hpp>

#include <algorithm>  // std::max
#include <cmath>      // std::sqrt
#include <memory>     // std::unique_ptr
#include <string>     // std::string
#include <utility>    // std::move
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// A rule of the library by tensor operations: the same numbers but for rounding, on any device
/// that has double. Items of one shape and type are stacked and stepped together, and what a rule
/// keeps of them lies together too. It waits for the device three times a step, and once more where
/// there are new pairs.
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
    std::vector<TensorBatch> batches = batches_of(states);
    if (batches.empty()) return report;
    drop(batches, report.skipped_non_finite, [](TensorBatch& batch) { return batch.read(); });
    const OptimizerConfig config = rule_->resolved(options.config());
    const auto solve = [&config](TensorBatch& batch) { return batch.solve(config); };
    for (TensorBatch* batch : drop(batches, report.skipped_overflow, solve)) (void)solve(*batch);
    if (batches.empty()) return report;

    std::vector<torch::Tensor> norms, deficient;
    for (const TensorBatch& batch : batches) {
      norms.push_back(config.group.clip_norm == ClipNorm::adapter ? batch.raw_norm : batch.norm);
      if (batch.projected) deficient.push_back(batch.pairs->deficient());
      report.updated += batch.size();
    }
    if (config.group.clip_norm != ClipNorm::none) {
      report.grad_norm = std::sqrt(total(norms));
      if (report.grad_norm > config.group.max_grad_norm)
        report.clip_factor = config.group.max_grad_norm / report.grad_norm;
    }
    report.rank_deficient = static_cast<Index>(total(deficient));
    for (const TensorBatch& batch : batches) update({batch, config, report.clip_factor});
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

  /// Items whose tensors can be stacked, with states that have come as far.
  struct Kind {
    torch::Device device;
    torch::ScalarType type;
    std::vector<std::int64_t> A, B;  // sizes; B of a parameter without factors is empty
    std::int64_t step, free_factor;

    bool operator==(const Kind& other) const {
      return device == other.device && type == other.type && A == other.A && B == other.B &&
             step == other.step && free_factor == other.free_factor;
    }
  };

  /// The items that have gradients, in the order of the first of each kind.
  std::vector<TensorBatch> batches_of(StateMap& states) const {
    std::vector<const Item*> active;
    for (const Member& member : items_)
      if (member.item.has_gradient()) active.push_back(&member.item);
    if (rule_ != nullptr && rule_->projects()) choose_free_factors(active, states);
    std::vector<TensorBatch> batches;
    std::vector<Kind> kinds;
    for (const Item* item : active) {
      LoraProParamState& state = state_of(states, item->A);
      const bool projected = rule_->projects() && item->is_pair();
      const Kind kind{item->A.device(),
                      item->A.scalar_type(),
                      item->A.sizes().vec(),
                      item->is_pair() ? item->B.sizes().vec() : std::vector<std::int64_t>(),
                      state.step(),
                      projected ? state.free_factor() : 0};
      // A parameter may have no elements.
      const auto numbers = (std::max)(std::int64_t{1}, rule_->working_numbers(*item));
      const auto most = (std::max)(std::int64_t{1}, kBatchNumbers / numbers);
      std::size_t b = kinds.size();
      while (b > 0 && !(kinds[b - 1] == kind)) --b;
      if (b == 0 || batches[b - 1].size() >= most) {
        kinds.push_back(kind);
        batches.emplace_back();
        batches.back().projected = projected;
        b = batches.size();
      }
      batches[b - 1].items.push_back(item);
      batches[b - 1].states.push_back(&state);
    }
    return batches;
  }

  /// At the first step of a pair A is free if it is zero and B is not. Waits for the device once
  /// where there are such.
  static void choose_free_factors(const std::vector<const Item*>& items, StateMap& states) {
    std::vector<LoraProParamState*> first;
    std::vector<torch::Tensor> free;
    for (const Item* item : items) {
      LoraProParamState& state = state_of(states, item->A);
      if (!item->is_pair() || state.step() != 0) continue;
      first.push_back(&state);
      free.push_back(item->A.any().logical_not().logical_and(item->B.any()));
    }
    for (std::size_t i = 0; i < first.size(); ++i)
      first[i]->free_factor(free[i].item<bool>() ? 1 : 0);
  }

  /// Drops and counts the items for which of(batch) gives false on the device.
  /// \return the batches that have lost some of their items.
  template <typename Of>
  static std::vector<TensorBatch*> drop(std::vector<TensorBatch>& batches, Index& count,
                                        const Of& of) {
    std::vector<torch::Tensor> flags;
    for (TensorBatch& batch : batches) flags.push_back(of(batch));
    std::vector<TensorBatch> kept_batches;
    std::vector<std::size_t> shortened;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      TensorBatch& batch = batches[b];
      const torch::Tensor here = flags[b].cpu();
      std::vector<std::int64_t> kept;
      for (std::int64_t i = 0; i < here.numel(); ++i)
        if (here.data_ptr<bool>()[i]) kept.push_back(i);
      const Index lost = batch.size() - static_cast<Index>(kept.size());
      count += lost;
      if (kept.empty()) continue;
      if (lost > 0) {
        batch.keep(kept);
        shortened.push_back(kept_batches.size());
      }
      kept_batches.push_back(std::move(batch));
    }
    batches = std::move(kept_batches);
    std::vector<TensorBatch*> out;
    for (const std::size_t b : shortened) out.push_back(&batches[b]);
    return out;
  }

  static double total(const std::vector<torch::Tensor>& numbers) {
    double sum = 0;
    for (const torch::Tensor& some : numbers) sum += some.to(torch::kDouble).sum().item<double>();
    return sum;
  }

  void update(TensorUpdate update) const {
    const double lr = update.config.group.lr;
    if (update.batch.first().is_pair()) {
      const TensorStep direction = rule_->direction(update);
      update.descend(&Item::A, "_A", direction.A, lr);
      update.descend(&Item::B, "_B", direction.B, lr * update.config.group.loraplus_lr_ratio);
      rule_->moved(update);
    } else {
      update.descend(&Item::A, "", rule_->dense_direction(update), lr);
    }
    for (LoraProParamState* state : update.batch.states) state->step(state->step() + 1);
  }

  // Bounds what a batch takes besides the numbers of its items: 32 MB for each copy in double.
  static constexpr std::int64_t kBatchNumbers = std::int64_t{1} << 22;

  std::string name_;
  std::unique_ptr<TensorRule> rule_;  // of the first item on
  std::vector<Member> items_;
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
