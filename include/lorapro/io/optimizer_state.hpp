// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/config_json.hpp>
#include <lorapro/io/safetensors.hpp>
#include <lorapro/optim/base_optimizer.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// A matrix of a slot: valid while the slot stays as it is.
struct SlotTensor {
  std::string part;  ///< "lora_A", "exp_avg", "master_B"...
  StateTensor tensor;

  Dtype dtype() const {
    return visit_storage_type(tensor.type(), [](auto zero) { return dtype_of<decltype(zero)>(); });
  }
  TensorShape shape() const {
    return {static_cast<std::uint64_t>(tensor.rows()), static_cast<std::uint64_t>(tensor.cols())};
  }
};

/// Calls f(values, first, count) for the elements of a tensor, a piece at a time, with room for the
/// piece.
template <typename F>
void for_each_piece(const StateTensor& tensor, const F& f) {
  constexpr Index kPiece = 1 << 16;
  visit_storage_type(tensor.type(), [&](auto zero) {
    std::vector<decltype(zero)> values(static_cast<std::size_t>((std::min)(kPiece, tensor.size())));
    for (Index first = 0; first < tensor.size(); first += kPiece)
      f(values.data(), first, (std::min)(kPiece, tensor.size() - first));
  });
}

inline void save_tensor(const StateTensor& tensor, TensorSink& sink) {
  for_each_piece(tensor, [&](auto* values, Index first, Index count) {
    tensor.read(first, count, values);
    sink.write(values, static_cast<std::size_t>(count));
  });
}

inline void load_tensor(const StateTensor& tensor, const SafetensorsReader& file,
                        const TensorInfo& stored) {
  for_each_piece(tensor, [&](auto* values, Index first, Index count) {
    file.read(stored, static_cast<std::uint64_t>(first), static_cast<std::size_t>(count), values);
    tensor.write(first, count, values);
  });
}

/// All matrices of a slot that a step writes: the caller's, the rule's and the masters.
template <typename Slot>
std::vector<SlotTensor> tensors_of(Slot& slot, const GroupConfig& group) {
  std::vector<SlotTensor> tensors;
  const StateVisitor add = [&](const std::string& part, const StateTensor& tensor) {
    tensors.push_back({part, tensor});
  };
  slot.visit_parameters(group.decay_target == DecayTarget::merged, add);
  slot.visit_state(add);
  slot.visit_masters(add);
  return tensors;
}

template <typename Scalar>
nlohmann::json describe(const lorapro::detail::PairSlot<Scalar>& slot) {
  return {{"kind", "pair"},
          {"out_features", slot.shape().out_features},
          {"in_features", slot.shape().in_features},
          {"rank", slot.shape().rank},
          {"scaling", slot.pair.scaling}};
}

template <typename Scalar>
nlohmann::json describe(const lorapro::detail::DenseSlot<Scalar>& slot) {
  return {{"kind", "dense"}, {"size", slot.size()}, {"cols", slot.dense.cols}};
}

/// \param entry  what describe says of the slot's kind and sizes, completed here.
inline nlohmann::json describe(nlohmann::json entry, const lorapro::detail::Slot& slot,
                               const std::vector<SlotTensor>& tensors) {
  entry["group"] = slot.group;
  entry["tensors"] = nlohmann::json::object();
  for (const SlotTensor& tensor : tensors)
    entry["tensors"][tensor.part] =
        std::string(info(tensor.dtype()).name) + " " + shape_text(tensor.shape());
  entry["step"] = slot.step;
  entry["stream"] = slot.stream;
  if (slot.frozen) entry["frozen"] = true;
  if (slot.free_factor == Side::A) entry["free_factor"] = "lora_A";
  return entry;
}

/// All of an optimizer with these groups but the numbers in its matrices, as a JSON object.
template <typename Scalar>
nlohmann::json describe(const BaseOptimizer<Scalar>& optimizer,
                        const std::vector<GroupConfig>& groups) {
  nlohmann::json json{
      {"scalar", info(dtype_of<Scalar>()).name}, {"rule", optimizer.rule()},
      {"step", optimizer.step_count()},          {"options", json_of_optimizer(optimizer.config())},
      {"groups", nlohmann::json::array()},       {"attached", nlohmann::json::object()}};
  for (const GroupConfig& group : groups) json["groups"].push_back(json_of_group(group));
  optimizer.for_each_slot([&](auto& slot) {
    const GroupConfig& group = groups[static_cast<std::size_t>(slot.group)];
    json["attached"][slot.name] = describe(describe(slot), slot, tensors_of(slot, group));
  });
  return json;
}

/// Declares the matrices of an optimizer as tensors "<name>.<parameter>.<part>".
template <typename Scalar>
void add_tensors(const std::string& name, const BaseOptimizer<Scalar>& optimizer,
                 SafetensorsWriter& file) {
  optimizer.for_each_slot([&](auto& slot) {
    for (const SlotTensor& one : tensors_of(slot, optimizer.group({slot.group})))
      file.add(name + "." + slot.name + "." + one.part, one.dtype(), one.shape(),
               [tensor = one.tensor](TensorSink& sink) { save_tensor(tensor, sink); });
  });
}

/// Compares what a file says of one thing with what it is loaded into.
class Fit {
 public:
  Fit(const nlohmann::json& expected, const nlohmann::json& came, std::string where)
      : expected_(expected), came_(came), where_(std::move(where)) {
    if (!came_.is_object()) throw FormatError(where_ + ": expected an object");
  }

  /// \throws ConfigError unless both sides have the same value.
  void same(const std::string& key) const { compare(key, expected_.at(key), came_); }
  /// \throws ShapeError unless both sides have the same value.
  void same_size(const char* key) const { compare<ShapeError>(key, expected_.at(key), came_); }

  /// \throws ConfigError unless both sides have the same names in the object `key`.
  void same_names(const char* key) const {
    const auto found = came_.find(key);
    if (found == came_.end() || !found->is_object())
      throw FormatError(where_ + ": " + key + ": expected an object");
    for (const auto& item : expected_.at(key).items())
      if (!found->contains(item.key()))
        throw ConfigError(where_ + ": expected " + quoted_name(item.key()) + ", got none");
    for (const auto& item : found->items())
      if (!expected_.at(key).contains(item.key()))
        throw ConfigError(where_ + ": expected no " + quoted_name(item.key()) + ", got one");
  }

 private:
  template <typename Exception = ConfigError>
  void compare(const std::string& key, const nlohmann::json& mine,
               const nlohmann::json& theirs) const {
    const auto found = theirs.find(key);
    if (found == theirs.end()) throw FormatError(where_ + ": expected a " + key + ", got none");
    if (*found != mine)
      throw Exception(where_ + ": " + key + ": expected " + shown(mine) + ", got " + shown(*found));
  }

  const nlohmann::json& expected_;
  const nlohmann::json& came_;
  std::string where_;
};

/// An optimizer in a file, checked against the one that it is loaded into.
struct OptimizerRecord {
  OptimizerConfig config;
  std::vector<GroupConfig> groups;
  nlohmann::json json;
};

inline std::int64_t step_of(const nlohmann::json& json, const std::string& where) {
  std::int64_t step = -1;
  if (json.is_object()) FieldReader(json, where)("step", step);
  if (step < 0) throw FormatError(where + ": step: expected a number >= 0");
  return step;
}

/// \param tensors       of the slot, in the file under the optimizer's name.
/// \param mine, theirs  what describe says of the slot, and what the file says.
/// \throws as check_optimizer.
inline void check_slot(const SafetensorsReader& file, const std::string& name,
                       const lorapro::detail::Slot& slot, const std::vector<SlotTensor>& tensors,
                       const nlohmann::json& mine, const nlohmann::json& theirs,
                       const std::string& place) {
  const Fit slot_fit(mine, theirs, place);
  slot_fit.same("kind");
  for (const char* const size : {"out_features", "in_features", "rank", "size", "cols"})
    if (mine.contains(size)) slot_fit.same_size(size);
  if (mine.contains("scaling")) slot_fit.same("scaling");
  slot_fit.same("group");
  slot_fit.same_names("tensors");
  const Fit tensor_fit(mine.at("tensors"), theirs.at("tensors"), place);
  for (const SlotTensor& tensor : tensors) {
    tensor_fit.same(tensor.part);
    const auto& stored = file.at(name + "." + slot.name + "." + tensor.part, tensor.shape());
    if (stored.dtype != tensor.dtype())
      fail_tensor(file.path(), stored.name,
                  "dtype: expected " + std::string(info(tensor.dtype()).name) + ", got " +
                      std::string(info(stored.dtype).name));
  }
  step_of(theirs, place);
  if (!theirs.contains("stream") || !theirs.at("stream").is_number_unsigned())
    throw FormatError(place + ": stream: expected a number");
  if (theirs.contains("frozen") && !theirs.at("frozen").is_boolean())
    throw FormatError(place + ": frozen: expected true or false");
  if (theirs.contains("free_factor") && theirs.at("free_factor") != "lora_A" &&
      theirs.at("free_factor") != "lora_B")
    throw FormatError(place + ": free_factor: expected \"lora_A\" or \"lora_B\"");
}

/// Writes what check_slot has passed into a slot. \throws FileError.
inline void load_slot(const SafetensorsReader& file, const std::string& name,
                      lorapro::detail::Slot& slot, const std::vector<SlotTensor>& tensors,
                      const nlohmann::json& json) {
  slot.step = json["step"].get<std::int64_t>();
  slot.stream = json["stream"].get<std::uint64_t>();
  slot.frozen = json.value("frozen", false);
  slot.free_factor = json.value("free_factor", "lora_B") == "lora_A" ? Side::A : Side::B;
  for (const SlotTensor& tensor : tensors)
    load_tensor(tensor.tensor, file, file.at(name + "." + slot.name + "." + tensor.part));
}

/// Options, groups and step of a description that fits the optimizer's type and groups.
/// \throws as check_optimizer.
template <typename Scalar>
OptimizerRecord read_record(const nlohmann::json& json, const std::string& where,
                            const BaseOptimizer<Scalar>& optimizer) {
  const nlohmann::json plain{{"scalar", info(dtype_of<Scalar>()).name}, {"rule", optimizer.rule()}};
  const Fit type_fit(plain, json, where);
  type_fit.same("scalar");
  type_fit.same("rule");
  step_of(json, where);
  OptimizerRecord record;
  record.json = json;
  const auto options = json.find("options"), groups = json.find("groups");
  if (options == json.end() || groups == json.end() || !groups->is_array())
    throw FormatError(where + ": expected options and groups");
  record.config = optimizer_from_json(*options, where + ": options");
  if (static_cast<Index>(groups->size()) != optimizer.group_count())
    throw ConfigError(where + ": groups: expected " + std::to_string(optimizer.group_count()) +
                      ", got " + std::to_string(groups->size()));
  for (std::size_t i = 0; i < groups->size(); ++i)
    record.groups.push_back(group_from_json((*groups)[i], where + ": group " + std::to_string(i)));
  return record;
}

/// \param json  what describe() gave when the file was written.
/// \throws FormatError (not such a description; tensors unlike it), ConfigError and ShapeError (it
/// does not fit the optimizer).
template <typename Scalar>
OptimizerRecord check_optimizer(const SafetensorsReader& file, const std::string& name,
                                const nlohmann::json& json,
                                const BaseOptimizer<Scalar>& optimizer) {
  const std::string where = file.path().string() + ": optimizer " + quoted_name(name);
  OptimizerRecord record = read_record(json, where, optimizer);
  // By the groups that it will have: these say whether W0 is in the file.
  const nlohmann::json own = describe(optimizer, record.groups);
  Fit(own, json, where).same_names("attached");
  optimizer.for_each_slot([&](auto& slot) {
    check_slot(file, name, slot,
               tensors_of(slot, record.groups[static_cast<std::size_t>(slot.group)]),
               own.at("attached").at(slot.name), json.at("attached").at(slot.name),
               where + ": " + quoted_name(slot.name));
  });
  return record;
}

/// Writes options and step of a record. \throws as Optimizer::set_config; nothing is written then.
template <typename Scalar>
void load_options(const OptimizerRecord& record, BaseOptimizer<Scalar>& optimizer) {
  OptimizerConfig config = record.config;
  config.group = record.groups.front();
  optimizer.set_config(config, record.groups);
  optimizer.visit([&](const std::string& entry, auto&& value) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::int64_t>)
      if (entry == "step") value = record.json["step"].template get<std::int64_t>();
  });
}

/// Writes a record and the matrices of the file into the optimizer that they were checked against.
/// \throws ConfigError (a W0 that the file's options would decay and that cannot be), before
/// anything is written; FileError.
template <typename Scalar>
void load_optimizer(const SafetensorsReader& file, const std::string& name,
                    const OptimizerRecord& record, BaseOptimizer<Scalar>& optimizer) {
  load_options(record, optimizer);
  optimizer.for_each_slot([&](auto& slot) {
    load_slot(file, name, slot,
              tensors_of(slot, record.groups[static_cast<std::size_t>(slot.group)]),
              record.json["attached"][slot.name]);
  });
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
