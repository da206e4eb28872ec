// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune_run.hpp"

#include <cmath>  // std::isfinite
#include <fmt/format.h>

#include "llama_adapter.hpp"
#include "samples.hpp"
#include "stop_request.hpp"

namespace examples::llm {

FinetuneRun::FinetuneRun(const FinetuneOptions& options, const FinetuneData& data,
                         const Tokenizer& tokenizer, Llama<float>& model, const Peers& peers)
    : options_(options),
      data_(data),
      tokenizer_(tokenizer),
      model_(model),
      peers_(peers),
      order_(rows_of(data.train->data.examples), options.packing_options()),
      steps_(options.steps > 0 ? options.steps : order_.steps_of(options.epochs)),
      optimizer_(make_optimizer(options.method, options.optimizer_config(steps_))) {
  for (const auto& layer : model_.trained()) {
    optimizer_->attach(layer.pair->view(), {}, layer.name);
  }
}

FinetuneOutcome FinetuneRun::run(const FinetuneCheckpoint& checkpoint) {
  progress_ = checkpoint.load(*optimizer_);
  const StopRequest stop;
  FinetuneWatch watch(options_, *optimizer_, progress_.step, steps_, peers_.leads());
  if (progress_.step > 0) watch.print(fmt::format("goes on after step {}", progress_.step));
  if (progress_.step == 0 && data_.valid) {
    const Evaluation untrained = validate();
    progress_.valid_curve.emplace_back(0, untrained.cross_entropy);
    watch.before_training(untrained);
  }
  const double seconds_before = progress_.seconds;
  while (progress_.step < steps_) {
    const Trained trained = step(order_.at(progress_.step));
    ++progress_.step;
    progress_.tokens += trained.tokens;
    progress_.loss_curve.emplace_back(progress_.step, trained.loss);
    watch.after_step(progress_.step, trained.tokens, trained.loss);
    if (is_evaluated(progress_.step)) evaluate(watch);
    progress_.seconds = seconds_before + watch.seconds();
    if (progress_.step == steps_) break;
    const bool stops = peers_.sum(stop.requested() ? 1.0 : 0.0) > 0;
    if (peers_.leads() && (stops || checkpoint.due(progress_.step))) {
      checkpoint.save(progress_, *optimizer_);
    }
    if (stops) return {progress_, false, optimizer_->state_bytes()};
  }
  if (!progress_.best_step) write_output();
  return {progress_, true, optimizer_->state_bytes()};
}

FinetuneRun::Trained FinetuneRun::step(const StepPacks& packs) {
  double loss = 0;
  Index tokens = 0, own_labels = 0;
  for (std::size_t i = 0; i < packs.size(); ++i) {
    if (!peers_.has(i)) continue;
    const TokenBatch batch = make_batch(data_.train->data.examples, packs[i]);
    model_.set_dropout_masks(progress_.dropout_masks + i);
    const LossSum sum = model_.accumulate_gradients(batch);
    loss += sum.loss;
    own_labels += sum.labels;
    tokens += batch.rows();
  }
  progress_.dropout_masks += packs.size();
  for (const auto& layer : model_.trained()) {
    for (auto grad : {layer.pair->grad_A(), layer.pair->grad_B()}) {
      peers_.sum(grad.data(), grad.size());
    }
  }
  const double labels = peers_.sum(static_cast<double>(own_labels));
  const Trained trained{static_cast<Index>(peers_.sum(static_cast<double>(tokens))),
                        peers_.sum(loss) / labels};
  if (!std::isfinite(trained.loss)) fail(fmt::format("a finite loss, got {}", trained.loss));
  optimizer_->set_loss(trained.loss);
  const auto report = optimizer_->step({labels, 1});
  const Index skipped = report.skipped();
  if (skipped > 0) {
    fail(fmt::format("finite gradients, got others in {} of {} layers", skipped,
                     model_.trained().size()));
  }
  optimizer_->zero_grad();
  return trained;
}

void FinetuneRun::fail(const std::string& what) const {
  throw lorapro::StateError(fmt::format(
      "step {}: expected {}; the last checkpoint is as it was. A lower --lr, a longer --warmup or "
      "a smaller --clip may help",
      progress_.step + 1, what));
}

void FinetuneRun::write_output() const {
  if (!peers_.leads()) return;
  write_llama_adapter(options_.output.string(), model_, options_.model);
}

bool FinetuneRun::is_evaluated(std::int64_t step) const {
  return step == steps_ || (options_.eval_every > 0 && step % options_.eval_every == 0);
}

Evaluation FinetuneRun::validate() {
  return llm::evaluate(model_, data_.valid->data.examples, options_.packing_options(), peers_);
}

void FinetuneRun::evaluate(FinetuneWatch& watch) {
  if (data_.valid) {
    const Evaluation evaluation = validate();
    const bool is_best = progress_.note_evaluation(evaluation.cross_entropy);
    watch.after_evaluation(progress_.step, evaluation, is_best);
    if (is_best) write_output();
  }
  if (!peers_.leads()) return;
  for (const std::string& prompt : options_.samples) {
    watch.print(sample_text(options_, tokenizer_, model_, prompt));
  }
}

}  // namespace examples::llm
