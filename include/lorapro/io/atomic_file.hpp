// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/error.hpp>

#include <algorithm>  // std::min
#include <cerrno>     // errno
#include <fstream>    // std::ofstream
#include <vector>     // std::vector

#ifdef LORAPRO_HAS_POSIX_FILES
#include <fcntl.h>     // open
#include <sys/file.h>  // flock
#include <sys/stat.h>  // fstat
#include <unistd.h>    // write, fsync
#endif

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// What did not stop a file from being written, and its writer has to know: a line each.
using Warnings = std::vector<std::string>;

namespace detail {

/// Where the symbolic links at `path` lead, whether a file is there or not. \throws FileError (a
/// circle).
inline std::filesystem::path link_target(const std::filesystem::path& path) {
  constexpr int kMostLinks = 40;  // as Linux has it
  std::filesystem::path out = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    std::error_code error;
    if (!std::filesystem::is_symlink(out, error)) return out;
    const auto to = std::filesystem::read_symlink(out, error);
    if (error) fail_file(out, "cannot be followed", error.value());
    out = out.parent_path() / to;
  }
  fail_file(path, "expected at most 40 symbolic links to a file, got more");
}

/// Calls the system until no signal interrupts it.
template <typename Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Whether the system says that a file system has no such operation.
inline bool is_unsupported(int code) {
  return code == ENOSYS || code == EOPNOTSUPP || code == EINVAL;
}

}  // namespace detail

/// A file that is there whole or not at all: the bytes go to its name + ".part" in the same folder,
/// which commit() flushes to the disk and renames. Whoever opens `path`, even after the program or
/// the machine was stopped, finds the old file or the new one, never a part. What a stopped program
/// left behind is overwritten by the next one. Where `path` is a symbolic link, the file that it
/// leads to is replaced and the link stays; the permissions of a file that was there stay, and its
/// owner where the system lets them (access lists and hard links do not). Where the system is not
/// POSIX, nothing is flushed beyond what a stream does.
///
/// A lock keeps a second writer out. Some file systems have none: the file is then written without,
/// warnings() says so, and of two writers the one that began later wins; the other's commit()
/// fails.
///
/// \code
/// lorapro::io::AtomicFile file("report.txt");
/// file.write(text.data(), text.size());
/// file.commit();
/// \endcode
class AtomicFile {
 public:
  /// \throws FileError (the folder cannot be written to, `path` is there and not a regular file, or
  /// another program writes this file now).
  explicit AtomicFile(std::filesystem::path path)
      : path_(std::move(path)), target_(detail::link_target(path_)), temporary_(target_) {
    temporary_ += ".part";
    std::error_code error;
    const auto there = std::filesystem::status(target_, error);
    if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there))
      detail::fail_file(path_, "expected a regular file to replace, got something else");
#ifdef LORAPRO_HAS_POSIX_FILES
    // Whoever may not read the old file may not read the new one meanwhile.
    const ::mode_t mode = std::filesystem::exists(there) ? 0600 : 0666;
    open(O_CREAT, mode);
    if (!lock()) {
      // Without a lock this writer takes a file of its own, so that the bytes of two never mix.
      ::close(descriptor_);
      ::unlink(temporary_.c_str());
      open(O_CREAT | O_EXCL, mode);
    }
    if (detail::uninterrupted([&] { return ::ftruncate(descriptor_, 0); }) != 0)
      fail("cannot be emptied");
#else
    stream_.open(temporary_, std::ios::binary | std::ios::trunc);
    if (!stream_) fail("cannot be created");
#endif
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() { abandon(); }

  const std::filesystem::path& path() const { return path_; }

  /// What the file system lacks: locks, flushing.
  const Warnings& warnings() const { return warnings_; }

  /// Appends `count` bytes. \throws FileError (a full disk); `path` stays as it was.
  void write(const void* data, std::size_t count) {
#ifdef LORAPRO_HAS_POSIX_FILES
    // More in one call is cut by some systems.
    constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
    const char* bytes = static_cast<const char*>(data);
    while (count > 0) {
      const ::ssize_t written = detail::uninterrupted(
          [&] { return ::write(descriptor_, bytes, (std::min)(count, kLargestWrite)); });
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
    if (detail::uninterrupted([&] { return ::fsync(descriptor_); }) != 0) {
      if (!detail::is_unsupported(errno)) fail("cannot be flushed");
      warn("not flushed to the disk", errno);
    }
    if (!locked_ && !is_named()) fail_not_named();
    keep_permissions();
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be renamed");
    ::close(descriptor_);
    descriptor_ = -1;
    // The new name must not be lost with the power either. Some file systems cannot flush a folder.
    const auto folder =
        target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
      ::fsync(descriptor);
      ::close(descriptor);
    }
#else
    stream_.close();
    std::error_code error;
    if (stream_) std::filesystem::rename(temporary_, target_, error);
    if (!stream_ || error) fail("cannot be renamed");
    committed_ = true;
#endif
  }

 private:
#ifdef LORAPRO_HAS_POSIX_FILES
  void open(int flags, ::mode_t mode) {
    descriptor_ = detail::uninterrupted([&] {
      return ::open(temporary_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, mode);
    });
    if (descriptor_ < 0) detail::fail_file(temporary_, "cannot be created", errno);
  }

  /// \return false where the file system has no locks.
  bool lock() {
    locked_ = detail::uninterrupted([&] { return ::flock(descriptor_, LOCK_EX | LOCK_NB); }) == 0;
    const int code = errno;
    if (!locked_ && (code == EWOULDBLOCK || code == EAGAIN)) fail_other_writer();
    if (!locked_) {
      warn("written without a lock, as the file system has none", code);
      return false;
    }
    // A lock goes with its process, unlike the file. Whoever got the lock after the other writer
    // has renamed its file holds that file, not a new one.
    if (!is_named()) fail_not_named();
    return true;
  }

  /// Whether the temporary name is that of the file that is open here; if not, errno is why it
  /// cannot be told, or 0 where the name is another file's.
  bool is_named() const {
    struct stat opened = {}, named = {};
    if (::fstat(descriptor_, &opened) != 0 || ::stat(temporary_.c_str(), &named) != 0) return false;
    errno = 0;
    return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
  }

  [[noreturn]] void fail_not_named() {
    if (errno != 0 && errno != ENOENT) fail("cannot be looked at");
    fail_other_writer();
  }

  /// Leaves the temporary name alone: it is the other's.
  [[noreturn]] void fail_other_writer() {
    ::close(descriptor_);
    descriptor_ = -1;
    detail::fail_file(path_, "expected one writer, got another that writes it now");
  }

  /// Gives the new file what the old one has. The owner first: a change of it may take permissions
  /// away. A file system that refuses has none, or leaves the narrow ones of the temporary file.
  void keep_permissions() const {
    struct stat old = {};
    if (::stat(target_.c_str(), &old) != 0) return;
    if (::fchown(descriptor_, old.st_uid, old.st_gid) != 0 &&
        ::fchown(descriptor_, static_cast<::uid_t>(-1), old.st_gid) != 0)
      old.st_mode &= static_cast<::mode_t>(~(S_ISUID | S_ISGID));
    (void)!::fchmod(descriptor_, old.st_mode & 07777);
  }

  void warn(const char* what, int code) {
    warnings_.push_back(path_.string() + ": " + what + " (" +
                        std::generic_category().message(code) + ")");
  }
#endif

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
    // Before the lock goes. Without one the name may be another writer's by now.
    if (locked_ || is_named()) std::filesystem::remove(temporary_, ignored);
    ::close(descriptor_);
    descriptor_ = -1;
#else
    if (committed_) return;
    stream_.close();
    std::filesystem::remove(temporary_, ignored);
#endif
  }

  std::filesystem::path path_;
  std::filesystem::path target_;  // where the links at path_ lead
  std::filesystem::path temporary_;
  Warnings warnings_;
#ifdef LORAPRO_HAS_POSIX_FILES
  int descriptor_ = -1;
  bool locked_ = false;
#else
  std::ofstream stream_;
  bool committed_ = false;
#endif
};

/// Writes `contents` to `path`, whole or not at all. \return AtomicFile::warnings. \throws
/// FileError.
inline Warnings write_file(const std::filesystem::path& path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents.data(), contents.size());
  file.commit();
  return file.warnings();
}

}  // namespace io
LORAPRO_NAMESPACE_END
