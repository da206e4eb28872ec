// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/error.hpp>

#include <algorithm>  // std::min
#include <cerrno>     // errno
#include <fstream>    // std::ofstream

#ifdef LORAPRO_HAS_POSIX_FILES
#include <fcntl.h>     // open
#include <sys/file.h>  // flock
#include <sys/stat.h>  // fstat
#include <unistd.h>    // write, fsync
#endif

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A file that is there whole or not at all: the bytes go to `path` + ".part" in the same folder,
/// which commit() flushes to the disk and renames. Whoever opens `path`, even after the program or
/// the machine was stopped, finds the old file or the new one, never a part. What a stopped program
/// left behind is overwritten by the next one. Where the system is not POSIX, nothing is flushed
/// beyond what a stream does.
///
/// \code
/// lorapro::io::AtomicFile file("report.txt");
/// file.write(text.data(), text.size());
/// file.commit();
/// \endcode
class AtomicFile {
 public:
  /// \throws FileError (the folder cannot be written to, or another program writes this file now).
  explicit AtomicFile(std::filesystem::path path) : path_(std::move(path)), temporary_(path_) {
    temporary_ += ".part";
#ifdef LORAPRO_HAS_POSIX_FILES
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) detail::fail_file(temporary_, "cannot be created", errno);
    // A lock goes with its process, unlike the file. Whoever got the lock after the other writer
    // has renamed its file holds that file, not a new one.
    struct stat opened = {}, named = {};
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 || ::fstat(descriptor_, &opened) != 0 ||
        ::stat(temporary_.c_str(), &named) != 0 || opened.st_ino != named.st_ino ||
        opened.st_dev != named.st_dev) {
      ::close(descriptor_);
      detail::fail_file(path_, "expected one writer, got another that writes it now");
    }
    if (::ftruncate(descriptor_, 0) != 0) fail("cannot be emptied");
#else
    stream_.open(temporary_, std::ios::binary | std::ios::trunc);
    if (!stream_) fail("cannot be created");
#endif
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() { abandon(); }

  const std::filesystem::path& path() const { return path_; }

  /// Appends `count` bytes. \throws FileError (a full disk); `path` stays as it was.
  void write(const void* data, std::size_t count) {
#ifdef LORAPRO_HAS_POSIX_FILES
    // More in one call is cut by some systems.
    constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
    const char* bytes = static_cast<const char*>(data);
    while (count > 0) {
      const ::ssize_t written = ::write(descriptor_, bytes, std::min(count, kLargestWrite));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("cannot be written");
      bytes += written;
      count -= static_cast<std::size_t>(written);
    }
#else
    stream_.write(static_cast<const char*>(data), static_cast<std::streamsize>(count));
    if (!stream_) fail("cannot be written");
#endif
  }

  /// Replaces `path`; nothing can be written after it. \throws FileError; `path` is then as it was.
  void commit() {
#ifdef LORAPRO_HAS_POSIX_FILES
    if (::fsync(descriptor_) != 0) fail("cannot be flushed");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be renamed");
    ::close(descriptor_);
    descriptor_ = -1;
    // The new name must not be lost with the power either. Some file systems cannot flush a folder.
    const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
      ::fsync(descriptor);
      ::close(descriptor);
    }
#else
    stream_.close();
    std::error_code error;
    if (stream_) std::filesystem::rename(temporary_, path_, error);
    if (!stream_ || error) fail("cannot be renamed");
    committed_ = true;
#endif
  }

 private:
  [[noreturn]] void fail(const char* problem) {
    const int code = errno;
    abandon();
    detail::fail_file(temporary_, problem, code);
  }

  /// Removes what is not committed.
  void abandon() {
    std::error_code ignored;
#ifdef LORAPRO_HAS_POSIX_FILES
    if (descriptor_ < 0) return;
    std::filesystem::remove(temporary_, ignored);  // before the lock goes
    ::close(descriptor_);
    descriptor_ = -1;
#else
    if (committed_) return;
    stream_.close();
    std::filesystem::remove(temporary_, ignored);
#endif
  }

  std::filesystem::path path_;
  std::filesystem::path temporary_;
#ifdef LORAPRO_HAS_POSIX_FILES
  int descriptor_ = -1;
#else
  std::ofstream stream_;
  bool committed_ = false;
#endif
};

/// Writes `contents` to `path`, whole or not at all. \throws FileError.
inline void write_file(const std::filesystem::path& path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents.data(), contents.size());
  file.commit();
}

}  // namespace io
LORAPRO_NAMESPACE_END
