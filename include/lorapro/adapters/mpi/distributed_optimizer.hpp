// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/mpi/distributed_config.hpp>
#include <lorapro/adapters/mpi/gradient_buckets.hpp>
#include <lorapro/adapters/mpi/ownership.hpp>
#include <lorapro/adapters/mpi/parameter_checks.hpp>
#include <lorapro/adapters/mpi/replica_check.hpp>
#include <lorapro/adapters/mpi/value_gather.hpp>
#include <lorapro/optim/optimizer.hpp>

#include <chrono>      // std::chrono::steady_clock
#include <deque>       // std::deque
#include <functional>  // std::function
#include <optional>    // std::optional

LORAPRO_NAMESPACE_BEGIN
namespace mpi {

/// Optimizer for data-parallel training over MPI: every rank has a replica of the model and a part
/// of the batch. Gradients are summed over the ranks while backpropagation goes on; each pair and
/// each dense parameter belongs to one rank, which alone has its state and updates it; then all
/// ranks get the new values. Moments are so divided by the number of ranks. All replicas keep the
/// same bits, since every value is computed once.
///
/// \code
/// lorapro::mpi::DistributedOptimizer<float, Rule> optimizer(MPI_COMM_WORLD, config);
/// for (auto& layer : layers) ids.push_back(optimizer.attach(layer));  // alike on every rank
/// optimizer.distribute();
/// ...
/// for (i = layers.size(); i-- > 0;) {
///   layers[i].backward(...);
///   optimizer.gradient_ready(ids[i]);  // optional: its sum begins while the rest goes on
/// }
/// const auto report = optimizer.step();  // the same on every rank
/// optimizer.zero_grad();
/// \endcode
///
/// Clipping, reports and skips are those of all parameters: norms are measured by the owners and
/// summed by every rank in the order of attachment, so that for given sums of gradients any number
/// of ranks gives the bits of an Optimizer that has everything. The sums themselves depend on the
/// number of ranks, by rounding. Merged decay shrinks W0 on every rank.
///
/// After a step the gradient buffers of a parameter hold the sum on its owner, and elsewhere what
/// backpropagation left. bfloat16 and half gradients are summed in Scalar. Two packed copies of all
/// gradients and values are kept. No heap in a step but what the MPI library takes.
///
/// Collective: the constructor, distribute, step, check_replicas, synchronize and the destructor;
/// all ranks make these calls in the same order. Options set through local() later have to be the
/// same on every rank. An exception on one rank alone must end the program: abort_on_exception.
template <typename Scalar, typename Rule>
class DistributedOptimizer {
  using Parameter = detail::Parameter;
  using Slot = ::lorapro::detail::Slot;

 public:
  using Local = Optimizer<Scalar, Rule>;

  /// Collective. \throws ConfigError (a field), StateError (no MPI_Init).
  explicit DistributedOptimizer(MPI_Comm communicator, const OptimizerConfig& config = {},
                                const DistributedConfig& distributed = {})
      : config_(distributed), communicator_(communicator), local_(config) {
    distributed.validate();
  }

  /// \throws ConfigError (a field of group).
  GroupId add_group(const GroupConfig& group) { return local_.add_group(group); }

  /// \name Parameters, as in Optimizer; before distribute
  /// @{
  template <typename Layer, ::lorapro::detail::IfLayer<Layer> = 0>
  auto attach(Layer& layer, GroupId group = {}, const std::string& name = "") {
    // Nothing is undone: what throws on one rank has to end the program.
    return ::lorapro::detail::attach_layer(
        layer, name,
        [&](const auto& view, const std::string& one) { return attach(view, group, one); },
        [](PairId) {});
  }
  template <typename T, typename Base>
  PairId attach(const LoraView<T, Base>& view, GroupId group = {}, const std::string& name = "") {
    return {insert(pairs_, "pair.", view, group, name)};
  }
  template <typename T>
  DenseId attach(const DenseView<T>& view, GroupId group = {}, const std::string& name = "") {
    return {insert(dense_, "dense.", view, group, name)};
  }
  /// @}

  /// Collective: ends attaching. Gives every parameter an owner, which makes its state, and all
  /// ranks the values of rank 0 (not W0, which every rank loads itself).
  /// \throws ReplicaError (the ranks did not attach the same, have other options, or, for merged
  /// decay, another W0), ConfigError (merged decay without a sole W0 in float or double; PeerError
  /// on the other ranks), StateError (called before).
  void distribute() {
    if (buckets_) throw StateError("distribute: expected to be called once");
    arrange();
    detail::compare_descriptions(communicator_, parameters_, detail::hash_of_options(local_));
    detail::require_sole_bases(
        parameters_, [&](const Parameter& parameter) { return group_of(parameter).decays_base(); });
    replicas_.emplace(communicator_, parameters_.size());
    gather_.emplace(communicator_, parameters_);
    gather_->broadcast();
    together(communicator_, [&] { attach_owned(); });
    std::vector<Index> sizes;
    for (const std::size_t index : block_order_) sizes.push_back(parameters_[index].size());
    buckets_.emplace(communicator_, sizes, config_.bucket_bytes);
    measured_ = Buffer<double>(2 * static_cast<Index>(parameters_.size()));
    check_replicas();
  }

  /// \name The gradient is complete and will not be touched before step()
  /// Its sum over the ranks begins with that of its bucket; buckets are expected in the reverse
  /// order of attachment. What was not said is ready at begin_all_reduce, or at step.
  /// \throws StateError (before distribute, said twice, unknown).
  /// @{
  void gradient_ready(PairId id) { ready(index_of(id)); }
  void gradient_ready(DenseId id) { ready(index_of(id)); }
  void begin_all_reduce() {
    require_distributed();
    for (std::size_t block = 0; block < block_order_.size(); ++block)
      if (!buckets_->is_ready(block)) ready(block_order_[block]);
  }
  /// @}

  /// \name Parameters that steps leave out, as in Optimizer
  /// To be called alike on every rank, after distribute. Their gradients are summed all the same.
  /// \throws StateError (before distribute, unknown).
  /// @{
  void freeze(PairId id) { set(index_of(id), &Slot::frozen, true); }
  void freeze(DenseId id) { set(index_of(id), &Slot::frozen, true); }
  void thaw(PairId id) { set(index_of(id), &Slot::frozen, false); }
  void thaw(DenseId id) { set(index_of(id), &Slot::frozen, false); }
  void leave_out(PairId id) { set(index_of(id), &Slot::left_out, true); }
  void leave_out(DenseId id) { set(index_of(id), &Slot::left_out, true); }
  /// @}

  /// Collective. One update of everything attached, as Optimizer::step.
  /// \return what happened, over all ranks and the same on each of them.
  /// \throws as Optimizer::step; PeerError (NonFinite::stop; nothing is written), ReplicaError
  /// (check_every).
  [[nodiscard]] StepReport step(const StepScale& scale = {}) {
    begin_all_reduce();
    const auto started = Clock::now();
    buckets_->wait();
    for (const std::size_t index : owned_)
      parameters_[index].unpack_gradients(storage_type<Scalar>(),
                                          buckets_->block(parameters_[index].block));
    times_.reduce = milliseconds_since(started);
    StepScale whole = scale;
    if (config_.reduction == Reduction::mean) whole.accumulated *= communicator_.size();
    const auto summed = Clock::now();
    Peers peers{*this};
    const StepReport report = local_.step_sharded(peers, whole);
    times_.optimizer = milliseconds_since(summed) - times_.gather;
    return report;
  }

  /// Zeroes the gradients of everything attached, on this rank.
  void zero_grad() {
    require_distributed();
    for (const Parameter& parameter : parameters_)
      for (int i = 0; i < parameter.factor_count; ++i)
        ::lorapro::detail::set_zero(parameter.factor_grads[i]);
  }

  /// Collective. \throws ReplicaError, on every rank, unless all have the same bits in all
  /// parameters, W0 under merged decay included.
  void check_replicas() {
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      (*replicas_)[i] = parameters_[i].hash(group_of(parameters_[i]).decays_base());
    ReplicaCheck::Difference difference{};
    if (!replicas_->same(difference))
      throw ReplicaError("rank " + std::to_string(difference.rank) + ": expected the bits of \"" +
                         parameters_[difference.index].name +
                         "\" that the other ranks have, got others");
  }

  /// Collective: every rank gets every owner's values, W0 of merged decay included. For who changed
  /// parameters on their owners alone.
  void synchronize() {
    require_distributed();
    gather_->gather();
    for (const Parameter& parameter : parameters_)
      if (parameter.is_pair && group_of(parameter).decay_target == DecayTarget::merged &&
          parameter.base_weight != nullptr)
        check_call(MPI_Bcast(parameter.base_weight,
                             count_of("base_weight", parameter.rows * parameter.cols),
                             parameter.base_type == StorageType::f32 ? MPI_FLOAT : MPI_DOUBLE,
                             parameter.owner, communicator_.handle()),
                   "MPI_Bcast");
  }

  /// The optimizer of what this rank owns: options, observers (which see the steps of all), state.
  /// Nothing can be attached to it nor detached from it.
  Local& local() { return local_; }
  const Local& local() const { return local_; }
  const Communicator& communicator() const { return communicator_; }

  std::int64_t step_count() const { return local_.step_count(); }
  Index parameter_count() const { return static_cast<Index>(pairs_.size() + dense_.size()); }
  /// Pairs, then dense parameters, in the order of attachment; empty before distribute.
  const std::vector<detail::Parameter>& parameters() const { return parameters_; }
  /// Ranks that own them. \throws StateError (before distribute, unknown).
  int owner(PairId id) const { return parameters_[index_of(id)].owner; }
  int owner(DenseId id) const { return parameters_[index_of(id)].owner; }
  /// What the last step that it had part in found, on every rank. \throws StateError.
  AdjustStatus status(PairId id) const { return found_[index_of(id)]; }
  AdjustStatus status(DenseId id) const { return found_[index_of(id)]; }
  /// Bytes of the state that this rank keeps.
  std::size_t state_bytes() { return local_.state_bytes(); }

  /// The same in every step. \throws StateError (before distribute).
  StepTraffic traffic() const {
    require_distributed();
    return {buckets_->bytes(), measured_.size() * static_cast<Index>(sizeof(double)),
            gather_->bytes()};
  }
  /// Of the last step.
  const StepTimes& times() const { return times_; }
  std::size_t bucket_count() const { return buckets_ ? buckets_->bucket_count() : 0; }

 private:
  using Clock = std::chrono::steady_clock;
  /// Of a parameter in a step, in place of a status where it has none.
  enum class Part { taken = 0, frozen = -1, left_out = -2 };
  struct Attached {
    Parameter parameter;
    std::function<void(Local&)> attach;
    Index order;
  };
  struct Peers {
    DistributedOptimizer& self;
    template <typename AddOwn>
    void measured(::lorapro::detail::Tally& tally, const AddOwn&) {
      self.exchange(tally);
    }
    void updated(const StepReport& report) { self.finish(report); }
  };

  static double milliseconds_since(Clock::time_point started) {
    return std::chrono::duration<double, std::milli>(Clock::now() - started).count();
  }
  const GroupConfig& group_of(const Parameter& parameter) const {
    return local_.group({parameter.group});
  }
  void require_distributed() const {
    if (!buckets_) throw StateError("optimizer: expected distribute() before this call");
  }

  void set(std::size_t index, bool Slot::*flag, bool value) {
    if (local_slots_[index] != nullptr) local_slots_[index]->*flag = value;
  }

  template <typename View>
  Index insert(std::deque<Attached>& list, const char* prefix, const View& view, GroupId group,
               const std::string& name) {
    if (buckets_) throw StateError("attach: expected to be called before distribute()");
    static_cast<void>(local_.group(group));
    const std::string own = name.empty() ? prefix + std::to_string(list.size()) : name;
    Parameter parameter = detail::parameter_of(view, own);
    parameter.group = group.index;
    parameter.cost = parameter.is_pair ? pair_cost<Rule>(parameter.rows, parameter.cols,
                                                         parameter.factors[0].rank)
                                       : parameter.size();
    attached_.require_apart(parameter);
    list.push_back({std::move(parameter),
                    [view, group, own](Local& local) { local.attach(view, group, own); },
                    parameter_count()});
    attached_.add(list.back().parameter, nullptr);
    return static_cast<Index>(list.size()) - 1;
  }

  std::size_t index_of(PairId id) const { return checked("pair", id.index, 0, pairs_.size()); }
  std::size_t index_of(DenseId id) const {
    return checked("dense", id.index, pairs_.size(), dense_.size());
  }
  std::size_t checked(const char* kind, Index index, std::size_t first, std::size_t count) const {
    require_distributed();
    if (index < 0 || index >= static_cast<Index>(count))
      throw StateError(std::string(kind) + ": expected one of " + std::to_string(count) +
                       " attached, got number " + std::to_string(index));
    return first + static_cast<std::size_t>(index);
  }

  /// Pairs and then dense parameters, as an Optimizer orders them, with their owners and blocks.
  void arrange() {
    std::vector<Index> costs;
    parameters_.clear();
    block_order_.assign(static_cast<std::size_t>(parameter_count()), 0);
    for (const auto* list : {&pairs_, &dense_})
      for (const Attached& attached : *list) {
        Parameter parameter = attached.parameter;
        parameter.stream = list == &pairs_ ? parameters_.size()
                                           : ::lorapro::detail::kDenseStreams +
                                                 (parameters_.size() - pairs_.size());
        parameter.block = static_cast<std::size_t>(parameter_count() - 1 - attached.order);
        block_order_[parameter.block] = parameters_.size();
        costs.push_back(parameter.cost);
        parameters_.push_back(std::move(parameter));
      }
    const auto owners = assign_owners(costs, communicator_.size());
    for (std::size_t i = 0; i < owners.size(); ++i) parameters_[i].owner = owners[i];
    found_.assign(parameters_.size(), AdjustStatus::ok);
    part_.assign(parameters_.size(), Part::taken);
  }

  void attach_owned() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (parameters_[i].owner != communicator_.rank()) continue;
      (i < pairs_.size() ? pairs_[i] : dense_[i - pairs_.size()]).attach(local_);
      owned_.push_back(i);
    }
    auto next = owned_.begin();
    local_slots_.assign(parameters_.size(), nullptr);
    local_.for_each_slot([&](auto& slot) {
      slot.stream = parameters_[*next].stream;
      local_slots_[*next++] = &slot;
    });
  }

  void ready(std::size_t index) {
    const Parameter& parameter = parameters_[index];
    if (!buckets_->is_ready(parameter.block))
      parameter.pack_gradients(storage_type<Scalar>(), buckets_->block(parameter.block));
    buckets_->ready(parameter.block);
  }

  /// Gives all ranks what each owner found: numbers plus zeros, which no order of summation
  /// changes.
  void exchange(::lorapro::detail::Tally& tally) {
    std::fill(measured_.begin(), measured_.end(), 0.0);
    auto next = owned_.begin();
    local_.for_each_slot([&](const Slot& slot) {
      double* const entry = measured_.data() + 2 * *next++;
      if (!slot.takes_part()) {
        entry[0] = static_cast<int>(slot.frozen ? Part::frozen : Part::left_out);
        return;
      }
      entry[0] = static_cast<double>(static_cast<int>(slot.preparation.report.status));
      entry[1] = slot.preparation.squared_norm;
    });
    check_call(MPI_Allreduce(MPI_IN_PLACE, measured_.data(), static_cast<int>(measured_.size()),
                             MPI_DOUBLE, MPI_SUM, communicator_.handle()),
               "MPI_Allreduce");
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const double* const entry = measured_.data() + 2 * i;
      part_[i] = static_cast<Part>((std::min)(static_cast<int>(entry[0]), 0));
      if (part_[i] != Part::taken) {
        tally.leave_out(part_[i] == Part::frozen);
        continue;
      }
      AdjustReport found;
      found.status = found_[i] = static_cast<AdjustStatus>(static_cast<int>(entry[0]));
      if (found.status == AdjustStatus::non_finite && config_.non_finite == NonFinite::stop)
        throw PeerError("gradient: expected finite numbers in \"" + parameters_[i].name +
                        "\", got others on some rank");
      tally.add(found, entry[1], parameters_[i].group);
    }
  }

  void finish(const StepReport& report) {
    const auto started = Clock::now();
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const Parameter& parameter = parameters_[i];
      const GroupConfig& group = group_of(parameter);
      AdjustReport found;
      found.status = found_[i];
      if (parameter.owner != communicator_.rank() && part_[i] == Part::taken && found.usable() &&
          group.decays_base())
        ::lorapro::detail::scale_base(
            parameter.base_weight, parameter.base_type, parameter.rows * parameter.cols,
            ::lorapro::detail::decay_at(group.lr * report.lr_factor, group));
    }
    gather_->gather();
    if (config_.check_every > 0 && report.step % config_.check_every == 0) check_replicas();
    times_.gather = milliseconds_since(started);
  }

  DistributedConfig config_;
  Communicator communicator_;
  Local local_;
  std::deque<Attached> pairs_, dense_;  // which stay where they are
  ::lorapro::detail::AttachmentIndex attached_;
  std::vector<Parameter> parameters_;     // pairs, then dense ones
  std::vector<std::size_t> block_order_;  // block to parameter
  std::vector<std::size_t> owned_;        // in the order of local_
  std::vector<Slot*> local_slots_;        // of each parameter; null where another rank owns it
  std::vector<AdjustStatus> found_;
  std::vector<Part> part_;  // in the last step
  std::optional<detail::ValueGather> gather_;
  std::optional<ReplicaCheck> replicas_;
  std::optional<GradientBuckets<Scalar>> buckets_;
  Buffer<double> measured_;  // status and squared norm of each parameter
  StepTimes times_;
};

}  // namespace mpi
LORAPRO_NAMESPACE_END
