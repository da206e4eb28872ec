// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/config_json.hpp>
#include <lorapro/io/safetensors.hpp>
#include <lorapro/optim/optimizer.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// Calls visitor(part, tensor) for all matrices of a slot that a step writes: the caller's, the
/// rule's and the masters.
template <typename Slot, typename Visitor>
void visit_tensors(Slot& slot, const GroupConfig& group, Visitor&& visitor) {
  slot.visit_parameters(group.decay_target == DecayTarget::merged, visitor);
  slot.state.visit(visitor);
  slot.visit_masters(visitor);
}

template <typename Tensor>
TensorShape shape_of(const Tensor& tensor) {
  return {static_cast<std::uint64_t>(tensor.rows()), static_cast<std::uint64_t>(tensor.cols())};
}

/// Calls f(first, count) for the elements of a tensor, a piece at a time.
template <typename Tensor, typename F>
void for_each_piece(const Tensor& tensor, const F& f) {
  constexpr Index kPiece = 1 << 16;
  for (Index first = 0; first < tensor.size(); first += kPiece)
    f(first, std::min(kPiece, tensor.size() - first));
}

template <typename Scalar, typename Rule>
nlohmann::json describe(const lorapro::detail::PairSlot<Scalar, Rule>& slot) {
  return {{"kind", "pair"},
          {"out_features", slot.pair.out_features},
          {"in_features", slot.pair.in_features},
          {"rank", slot.pair.rank},
          {"scaling", slot.pair.model.scaling}};
}

template <typename Scalar, typename Rule>
nlohmann::json describe(const lorapro::detail::DenseSlot<Scalar, Rule>& slot) {
  return {{"kind", "dense"},
          {"size", slot.dense.value.rank * slot.dense.value.length},
          {"cols", slot.dense.cols}};
}

template <typename Scalar, typename Rule>
std::vector<GroupConfig> groups_of(const Optimizer<Scalar, Rule>& optimizer) {
  std::vector<GroupConfig> groups;
  for (Index i = 0; i < optimizer.group_count(); ++i) groups.push_back(optimizer.group({i}));
  return groups;
}

/// All of an optimizer with these groups but the numbers in its matrices, as a JSON object.
template <typename Scalar, typename Rule>
nlohmann::json describe(const Optimizer<Scalar, Rule>& optimizer,
                        const std::vector<GroupConfig>& groups) {
  nlohmann::json json{
      {"scalar", info(dtype_of<Scalar>()).name}, {"rule", rule_name<Rule>()},
      {"step", optimizer.step_count()},          {"options", json_of_optimizer(optimizer.config())},
      {"groups", nlohmann::json::array()},       {"attached", nlohmann::json::object()}};
  for (const GroupConfig& group : groups) json["groups"].push_back(json_of_group(group));
  optimizer.for_each_slot([&](auto& slot) {
    nlohmann::json entry = describe(slot);
    entry["group"] = slot.group;
    entry["tensors"] = nlohmann::json::object();
    const GroupConfig& group = groups[static_cast<std::size_t>(slot.group)];
    visit_tensors(slot, group, [&](const char* part, const auto& tensor) {
      entry["tensors"][part] =
          std::string(info(dtype_of(tensor.type())).name) + " " + shape_text(shape_of(tensor));
    });
    entry["step"] = slot.step;
    entry["stream"] = slot.stream;
    json["attached"][slot.name] = std::move(entry);
  });
  return json;
}

/// Declares the matrices of an optimizer as tensors "<name>.<parameter>.<part>".
template <typename Scalar, typename Rule>
void add_tensors(const std::string& name, const Optimizer<Scalar, Rule>& optimizer,
                 SafetensorsWriter& file) {
  optimizer.for_each_slot([&](auto& slot) {
    visit_tensors(slot, optimizer.group({slot.group}), [&](const char* part, auto tensor) {
      file.add(name + "." + slot.name + "." + part, dtype_of(tensor.type()), shape_of(tensor),
               [tensor](TensorSink& sink) {
                 std::vector<typename decltype(tensor)::Element> values;
                 for_each_piece(tensor, [&](Index first, Index count) {
                   values.resize(static_cast<std::size_t>(count));
                   tensor.read(first, count, values.data());
                   sink.write(values.data(), values.size());
                 });
               });
    });
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
  void same(const char* key) const { compare(key, expected_.at(key), came_); }
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

/// \param mine, theirs  what describe says of a slot, and what the file says.
/// \throws as check_optimizer.
template <typename Slot>
void check_slot(const SafetensorsReader& file, const std::string& name, Slot& slot,
                const GroupConfig& group, const nlohmann::json& mine, const nlohmann::json& theirs,
                const std::string& place) {
  const Fit slot_fit(mine, theirs, place);
  slot_fit.same("kind");
  for (const char* const size : {"out_features", "in_features", "rank", "size", "cols"})
    if (mine.contains(size)) slot_fit.same_size(size);
  if (mine.contains("scaling")) slot_fit.same("scaling");
  slot_fit.same("group");
  slot_fit.same_names("tensors");
  const Fit tensor_fit(mine.at("tensors"), theirs.at("tensors"), place);
  visit_tensors(slot, group, [&](const char* part, const auto& tensor) {
    tensor_fit.same(part);
    const auto& stored = file.at(name + "." + slot.name + "." + part, shape_of(tensor));
    if (stored.dtype != dtype_of(tensor.type()))
      fail_tensor(file.path(), stored.name,
                  "dtype: expected " + std::string(info(dtype_of(tensor.type())).name) + ", got " +
                      std::string(info(stored.dtype).name));
  });
  step_of(theirs, place);
  if (!theirs.contains("stream") || !theirs.at("stream").is_number_unsigned())
    throw FormatError(place + ": stream: expected a number");
}

/// Writes what check_slot has passed into a slot. \throws FileError.
template <typename Slot>
void load_slot(const SafetensorsReader& file, const std::string& name, Slot& slot,
               const GroupConfig& group, const nlohmann::json& json) {
  slot.step = json["step"].get<std::int64_t>();
  slot.stream = json["stream"].get<std::uint64_t>();
  visit_tensors(slot, group, [&](const char* part, auto tensor) {
    const TensorInfo& stored = file.at(name + "." + slot.name + "." + part);
    std::vector<typename decltype(tensor)::Element> values;
    for_each_piece(tensor, [&](Index first, Index count) {
      values.resize(static_cast<std::size_t>(count));
      file.read(stored, static_cast<std::uint64_t>(first), values.size(), values.data());
      tensor.write(first, count, values.data());
    });
  });
}

/// Options, groups and step of a description that fits the optimizer's type and groups.
/// \throws as check_optimizer.
template <typename Scalar, typename Rule>
OptimizerRecord read_record(const nlohmann::json& json, const std::string& where,
                            const Optimizer<Scalar, Rule>& optimizer) {
  const nlohmann::json plain{{"scalar", info(dtype_of<Scalar>()).name},
                             {"rule", rule_name<Rule>()}};
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
template <typename Scalar, typename Rule>
OptimizerRecord check_optimizer(const SafetensorsReader& file, const std::string& name,
                                const nlohmann::json& json,
                                const Optimizer<Scalar, Rule>& optimizer) {
  const std::string where = file.path().string() + ": optimizer " + quoted_name(name);
  OptimizerRecord record = read_record(json, where, optimizer);
  // By the groups that it will have: these say whether W0 is in the file.
  const nlohmann::json own = describe(optimizer, record.groups);
  Fit(own, json, where).same_names("attached");
  optimizer.for_each_slot([&](auto& slot) {
    check_slot(file, name, slot, record.groups[static_cast<std::size_t>(slot.group)],
               own.at("attached").at(slot.name), json.at("attached").at(slot.name),
               where + ": " + quoted_name(slot.name));
  });
  return record;
}

/// Writes options and step of a record. \throws as Optimizer::set_config; nothing is written then.
template <typename Scalar, typename Rule>
void load_options(const OptimizerRecord& record, Optimizer<Scalar, Rule>& optimizer) {
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
template <typename Scalar, typename Rule>
void load_optimizer(const SafetensorsReader& file, const std::string& name,
                    const OptimizerRecord& record, Optimizer<Scalar, Rule>& optimizer) {
  load_options(record, optimizer);
  optimizer.for_each_slot([&](auto& slot) {
    load_slot(file, name, slot, record.groups[static_cast<std::size_t>(slot.group)],
              record.json["attached"][slot.name]);
  });
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
