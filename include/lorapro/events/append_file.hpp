// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/file_error.hpp>

#include <cerrno>       // errno
#include <charconv>     // std::to_chars
#include <cstdio>       // std::FILE
#include <memory>       // std::unique_ptr
#include <optional>     // std::optional
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace events {

/// Appends a number in the fewest characters that are read back as the same number, whatever the
/// locale: 0.001, 1e-05, inf, nan.
template <typename Number>
void append_number(std::string& out, Number value) {
  char digits[32];  // a double takes 24 at most
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

/// A file that grows by whole records: append() hands one to the operating system, so that it stays
/// whatever becomes of the program; of a record that does not fit on the disk nothing stays. Where
/// the path is a symbolic link, the file that it leads to grows. No heap after it was opened.
class AppendFile {
 public:
  /// Opens `path` at its end; makes it where there is none. \throws FileError.
  explicit AppendFile(std::filesystem::path path) : path_(std::move(path)) {
    open("ab");
    if (file_ == nullptr) lorapro::detail::fail_file(path_, "cannot be opened", errno);
    // Before the first write a stream may be at 0.
    std::error_code not_regular;
    const auto size = std::filesystem::file_size(path_, not_regular);
    if (!not_regular) size_ = size;
  }

  /// Makes `path`; none if something of that name exists. \throws FileError.
  static std::optional<AppendFile> create(const std::filesystem::path& path) {
    AppendFile made(path, "wbx");
    if (made.file_ != nullptr) return made;
    const int code = errno;
    if (code == EEXIST) return std::nullopt;
    lorapro::detail::fail_file(path, "cannot be created", code);
  }

  const std::filesystem::path& path() const { return path_; }
  /// Bytes in it.
  std::uintmax_t size() const { return size_; }

  /// \throws FileError (a full disk); the file is as it was then.
  void append(std::string_view record) {
    std::string_view rest = record;
    while (!rest.empty()) {
      rest.remove_prefix(std::fwrite(rest.data(), 1, rest.size(), file_.get()));
      if (rest.empty()) break;
      const int code = errno;
      std::clearerr(file_.get());
      if (code == EINTR) continue;
      std::error_code ignored;
      std::filesystem::resize_file(path_, size_, ignored);
      std::fseek(file_.get(), 0, SEEK_END);
      lorapro::detail::fail_file(path_, "cannot be written", code);
    }
    size_ += record.size();
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  AppendFile(std::filesystem::path path, const char* mode) : path_(std::move(path)) { open(mode); }

  void open(const char* mode) {
    errno = 0;
    file_.reset(std::fopen(path_.string().c_str(), mode));
    // A record goes out in one call, and what fails does so there.
    if (file_ != nullptr) std::setvbuf(file_.get(), nullptr, _IONBF, 0);
  }

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uintmax_t size_ = 0;
};

}  // namespace events
LORAPRO_NAMESPACE_END
