// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/events/append_file.hpp>
#include <lorapro/events/tf_record.hpp>
#include <lorapro/optim/observer.hpp>

#include <cstring>  // std::memcpy

LORAPRO_NAMESPACE_BEGIN

namespace events {

/// The few fields of protocol buffers that event files of scalars take.
/// \ref Event (wall_time 1, step 2, file_version 3, summary 5, session_log 7) of event.proto,
/// Summary (value 1; of a value tag 1, simple_value 2) of summary.proto, both of TensorBoard.
namespace protobuf {

inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
  out += static_cast<char>(value);
}

inline void append_int64(std::string& out, int field, std::int64_t value) {
  append_varint(out, static_cast<std::uint64_t>(field) << 3);
  append_varint(out, static_cast<std::uint64_t>(value));
}

inline void append_double(std::string& out, int field, double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  append_varint(out, static_cast<std::uint64_t>(field) << 3 | 1);
  append_little_endian(out, bits, 8);
}

inline void append_float(std::string& out, int field, float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  append_varint(out, static_cast<std::uint64_t>(field) << 3 | 5);
  append_little_endian(out, bits, 4);
}

/// A string or a message.
inline void append_bytes(std::string& out, int field, std::string_view value) {
  append_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  append_varint(out, value.size());
  out += value;
}

}  // namespace protobuf
}  // namespace events

/// An observer that writes event files for TensorBoard: in every step the scalars `loss` (where it
/// is set), `milliseconds`, `skipped`, `rank_deficient`, and `lr`, `clip_factor` and `grad_norm`
/// (where it clips) of group 0; those of group 1 are `lr/1` and so on. The records of a step are in
/// the file when it returns.
///
/// \code
/// lorapro::TensorBoardLog log("runs/first", optimizer.step_count() + 1);  // after a resume as
/// well optimizer.add_observer(std::ref(log)); \endcode
///
/// Then `tensorboard --logdir runs`. Every log is a file of its own in its folder.
class TensorBoardLog {
 public:
  /// Makes the folder if need be, and in it a new file, which says that what other files of the
  /// folder have of `first_step`, the step to come, and later ones is void.
  /// \throws FileError, ConfigError (first_step < 1).
  explicit TensorBoardLog(const std::filesystem::path& folder, std::int64_t first_step = 1)
      : file_(new_file(folder, first_step)) {
    const double now = unix_time();
    begin(now, 0);
    events::protobuf::append_bytes(event_, 3, "brain.Event:2");
    write();
    begin(now, first_step);
    constexpr std::string_view kStatusStart = "\x08\x01";
    events::protobuf::append_bytes(event_, 7, kStatusStart);
    write();
  }

  const std::filesystem::path& path() const { return file_.path(); }

  /// \throws FileError (a full disk); the file is as it was then.
  void operator()(const StepEvent& event) {
    summary_.clear();
    add("loss", 0, event.loss);
    add("milliseconds", 0, event.milliseconds);
    const StepReport& report = event.report;
    add("skipped", 0, static_cast<double>(report.skipped()));
    add("rank_deficient", 0, static_cast<double>(report.rank_deficient));
    for (std::size_t i = 0; i < event.groups.size(); ++i) {
      add("lr", i, event.groups[i].lr);
      add("grad_norm", i, event.groups[i].grad_norm);
      add("clip_factor", i, event.groups[i].clip_factor);
    }
    write_summary(report.step);
  }

  /// A number of the caller's own, such as an accuracy, in the series `tag` (UTF-8; what precedes a
  /// slash is the name of a section). \throws FileError as above.
  void add_scalar(std::string_view tag, std::int64_t step, double value) {
    summary_.clear();
    tag_ = tag;
    append_value(value);
    write_summary(step);
  }

 private:
  static double unix_time() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  /// TensorBoard reads files with `tfevents` in their name, in the order of their names.
  static events::AppendFile new_file(const std::filesystem::path& folder, std::int64_t first_step) {
    checks::config(first_step >= 1, "first_step", "a number >= 1", first_step);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) lorapro::detail::fail_file(folder, "cannot be created", error.value());
    const auto seconds = static_cast<std::int64_t>(unix_time());
    for (int count = 0;; ++count) {
      char name[64];
      std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.lorapro.%04d",
                    static_cast<long long>(seconds), count);
      if (auto file = events::AppendFile::create(folder / name)) return std::move(*file);
    }
  }

  void add(std::string_view name, std::size_t group, std::optional<double> value) {
    if (!value) return;
    tag_ = name;
    if (group > 0) {
      tag_ += '/';
      events::append_number(tag_, group);
    }
    append_value(*value);
  }

  /// The value of the series tag_.
  void append_value(double value) {
    value_.clear();
    events::protobuf::append_bytes(value_, 1, tag_);
    events::protobuf::append_float(value_, 2, static_cast<float>(value));
    events::protobuf::append_bytes(summary_, 1, value_);
  }

  void begin(double wall_time, std::int64_t step) {
    event_.clear();
    events::protobuf::append_double(event_, 1, wall_time);
    events::protobuf::append_int64(event_, 2, step);
  }

  void write_summary(std::int64_t step) {
    begin(unix_time(), step);
    events::protobuf::append_bytes(event_, 5, summary_);
    write();
  }

  void write() {
    record_.clear();
    events::append_tf_record(record_, event_);
    file_.append(record_);
  }

  events::AppendFile file_;
  std::string tag_, value_, summary_, event_, record_;  // kept for their memory
};

LORAPRO_NAMESPACE_END
