// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/optimizer_state.hpp>

#include <locale>   // std::locale::classic
#include <sstream>  // std::ostringstream

LORAPRO_NAMESPACE_BEGIN
namespace io {

namespace detail {

inline constexpr const char* kCheckpointFormat = "lorapro.checkpoint";
inline constexpr int kCheckpointVersion = 1;
inline constexpr const char* kOptimizerKey = "optimizer.";
inline constexpr const char* kGeneratorKey = "generator.";
inline constexpr const char* kValueKey = "value.";

/// Parses JSON from the metadata of a file. \throws FormatError (no JSON, or nested too deeply).
inline nlohmann::json parse_json(const std::string& text, const std::string& where) {
  constexpr int kDeepest = 8;  // a description has 4 levels
  const auto shallow = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kDeepest) throw FormatError(where + ": expected JSON of few levels");
    return true;
  };
  nlohmann::json json = nlohmann::json::parse(text, shallow, false);
  if (json.is_discarded()) throw FormatError(where + ": expected JSON");
  return json;
}

}  // namespace detail

/// Writes all that a training needs to go on, bit for bit, in another process: parameters, moments,
/// masters, step counts, options of every group, schedule, the keys of stochastic rounding, states
/// of random number generators, and values of the user's own. One safetensors file, replaced as a
/// whole (AtomicFile); moments are row-major and unscaled, in the type that the optimizer keeps
/// them in. Merged decay changes W0: where a group's decay_target is merged, W0 is in the file.
///
/// \code
/// lorapro::io::CheckpointWriter checkpoint;
/// checkpoint.add("optimizer", optimizer);       // with what is attached to it
/// checkpoint.add_generator("sampler", engine);  // any engine of <random>
/// ...
/// checkpoint.set("epoch", std::to_string(epoch));
/// checkpoint.write("run.checkpoint");           // as all of it is now, as often as wanted
/// \endcode
///
/// What is not the optimizer's is not in it: frozen weights, LoraLayer::dropout_masks.
/// \cost per write: the bytes of the file, and at most 512 KiB of memory besides.
class CheckpointWriter {
 public:
  /// \param optimizer  has to outlive the writer. \throws ConfigError (a name that is taken).
  template <typename Scalar>
  void add(const std::string& name, BaseOptimizer<Scalar>& optimizer) {
    add_part(detail::kOptimizerKey + name,
             [name, &optimizer](const std::string& key, SafetensorsWriter& file) {
               file.set_metadata(key, detail::describe(optimizer, optimizer.groups()).dump());
               detail::add_tensors(name, optimizer, file);
             });
  }

  /// \param engine  has to outlive the writer; written in the text form of its operator<<, which a
  /// standard library reads again if it is the same. \throws ConfigError (a name that is taken).
  template <typename Engine>
  void add_generator(const std::string& name, const Engine& engine) {
    add_part(detail::kGeneratorKey + name,
             [&engine](const std::string& key, SafetensorsWriter& file) {
               std::ostringstream text;
               text.imbue(std::locale::classic());
               text << engine;
               file.set_metadata(key, text.str());
             });
  }

  /// A value of the user's own, UTF-8; replaces an older one.
  void set(const std::string& key, const std::string& value) { values_[key] = value; }

  /// \return AtomicFile::warnings. \throws as SafetensorsWriter::write; the file is then as it was.
  Warnings write(const std::filesystem::path& path) const {
    SafetensorsWriter file;
    file.set_metadata("format", detail::kCheckpointFormat);
    file.set_metadata("version", std::to_string(detail::kCheckpointVersion));
    for (const auto& [key, part] : parts_) part(key, file);
    for (const auto& [key, value] : values_) file.set_metadata(detail::kValueKey + key, value);
    return file.write(path);
  }

 private:
  using Part = std::function<void(const std::string&, SafetensorsWriter&)>;

  void add_part(const std::string& key, Part part) {
    if (!parts_.emplace(key, std::move(part)).second)
      throw ConfigError("name: expected one of its own, got " + detail::quoted_name(key) +
                        " again");
  }

  std::map<std::string, Part> parts_;
  Metadata values_;
};

/// Reads what CheckpointWriter wrote.
///
/// \code
/// const lorapro::io::CheckpointReader checkpoint("run.checkpoint");
/// checkpoint.load("optimizer", optimizer);  // made and attached as the one that was saved
/// checkpoint.load_generator("sampler", engine);
/// const int epoch = std::stoi(checkpoint.value("epoch"));
/// \endcode
class CheckpointReader {
 public:
  /// \throws FileError, FormatError (not a checkpoint, or one of a newer version).
  explicit CheckpointReader(const std::filesystem::path& path, FileAccess access = FileAccess::map)
      : file_(path, access) {
    const auto format = file_.metadata().find("format");
    if (format == file_.metadata().end() || format->second != detail::kCheckpointFormat)
      fail("format: expected lorapro.checkpoint, got " +
           (format == file_.metadata().end() ? "none" : detail::quoted_name(format->second)));
    const std::string& version = file_.metadata("version");
    if (version != std::to_string(detail::kCheckpointVersion))
      fail("version: expected at most " + std::to_string(detail::kCheckpointVersion) +
           ", which this library writes, got " + detail::quoted_name(version));
  }

  const std::filesystem::path& path() const { return file_.path(); }

  /// Restores an optimizer, the caller's parameters that are attached to it included. It has the
  /// same Scalar and rule, the same groups, and the same things attached under the same names, in
  /// any order, as the one that was saved; options (but for the threads) become those of the file.
  /// \throws FormatError (the file lacks it or is damaged), ConfigError (another scalar, rule,
  /// scaling, element type, number of groups, name), ShapeError (other sizes or ranks): both sides
  /// are named and nothing is written. FileError (the file becomes unreadable meanwhile): the
  /// optimizer is then written in part.
  template <typename Scalar>
  void load(const std::string& name, BaseOptimizer<Scalar>& optimizer) const {
    detail::load_optimizer(file_, name, checked(name, optimizer), optimizer);
  }

  /// As load, without writing anything: to check several before the first is loaded.
  template <typename Scalar>
  void(check)(const std::string& name, BaseOptimizer<Scalar>& optimizer) const {
    (void)checked(name, optimizer);
  }

  /// \throws FormatError (the file lacks it, or it is not of this engine's type); the engine is
  /// then as it was.
  template <typename Engine>
  void load_generator(const std::string& name, Engine& engine) const {
    std::istringstream text(file_.metadata(detail::kGeneratorKey + name));
    text.imbue(std::locale::classic());
    Engine read;
    if (!(text >> read) || !(text >> std::ws).eof())
      fail("generator " + detail::quoted_name(name) +
           ": expected the state of an engine of this type, got another");
    engine = read;
  }

  /// A value of the user's own that has to be there. \throws FormatError.
  const std::string& value(const std::string& key) const {
    return file_.metadata(detail::kValueKey + key);
  }
  bool has_value(const std::string& key) const {
    return file_.metadata().count(detail::kValueKey + key) > 0;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(path().string() + ": " + problem);
  }

  template <typename Scalar>
  detail::OptimizerRecord checked(const std::string& name, BaseOptimizer<Scalar>& optimizer) const {
    const std::string key = detail::kOptimizerKey + name;
    return detail::check_optimizer(
        file_, name, detail::parse_json(file_.metadata(key), path().string() + ": " + key),
        optimizer);
  }

  SafetensorsReader file_;
};

}  // namespace io
LORAPRO_NAMESPACE_END
