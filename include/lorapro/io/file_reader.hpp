// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/error.hpp>

#include <algorithm>  // std::min
#include <cerrno>     // errno
#include <cstdint>    // std::uint64_t
#include <cstring>    // std::memcpy
#include <fstream>    // std::ifstream
#include <utility>    // std::exchange

#ifdef LORAPRO_HAS_POSIX_FILES
#include <fcntl.h>     // open
#include <sys/mman.h>  // mmap
#include <sys/stat.h>  // fstat
#include <unistd.h>    // close
#endif

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// How the bytes of a file come into memory.
enum class FileAccess {
  /// The pages that are touched, by mmap where the system has it. A file that another program
  /// shortens meanwhile ends this one with SIGBUS: take `read` where that can happen.
  map,
  read  ///< what is asked for, by reads from the stream
};

/// The bytes of a file of any size, of which none is read before it is asked for. One thread at a
/// time.
class FileReader {
 public:
  /// \throws FileError (not a regular file, or one that cannot be opened).
  explicit FileReader(std::filesystem::path path, FileAccess access = FileAccess::map)
      : path_(std::move(path)) {
    std::error_code error;
    const auto status = std::filesystem::status(path_, error);
    if (status.type() == std::filesystem::file_type::not_found)
      detail::fail_file(path_, "expected a file, got none", error.value());
    if (error) detail::fail_file(path_, "cannot be looked at", error.value());
    if (!std::filesystem::is_regular_file(status))
      detail::fail_file(path_, "expected a regular file, got something else");
#ifdef LORAPRO_HAS_POSIX_FILES
    if (access == FileAccess::map && map()) return;
#endif
    (void)access;
    stream_.open(path_, std::ios::binary | std::ios::ate);
    if (!stream_) detail::fail_file(path_, "cannot be opened", errno);
    size_ = static_cast<std::uint64_t>(stream_.tellg());
  }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  FileReader(FileReader&& other) noexcept
      : path_(std::move(other.path_)),
        stream_(std::move(other.stream_)),
        mapped_(std::exchange(other.mapped_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  FileReader& operator=(FileReader&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(stream_, other.stream_);
    std::swap(mapped_, other.mapped_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~FileReader() {
#ifdef LORAPRO_HAS_POSIX_FILES
    if (mapped_ != nullptr)
      ::munmap(const_cast<unsigned char*>(mapped_), static_cast<std::size_t>(size_));
#endif
  }

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }

  /// The first of size() bytes; null where the file is not mapped.
  const unsigned char* mapped() const { return mapped_; }

  /// Copies bytes [offset, offset + count) to `out`.
  /// \throws FileError (beyond the end of the file, or the system cannot read).
  void read(std::uint64_t offset, std::size_t count, void* out) const {
    if (offset > size_ || count > size_ - offset)
      detail::fail_file(path_, "expected " + std::to_string(count) + " bytes at " +
                                   std::to_string(offset) + ", got a file of " +
                                   std::to_string(size_));
    if (count == 0) return;
    if (mapped_ != nullptr) {
      std::memcpy(out, mapped_ + offset, count);
      return;
    }
    stream_.clear();
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(static_cast<char*>(out), static_cast<std::streamsize>(count));
    if (!stream_ || stream_.gcount() != static_cast<std::streamsize>(count))
      detail::fail_file(path_, "cannot be read any more");
  }

  /// Lets go of the memory that bytes [offset, offset + count) of a mapped file take, whole pages of
  /// them. What is asked for once more is read once more, so that pointers into mapped() stay valid.
  void forget(std::uint64_t offset, std::uint64_t count) const noexcept {
#ifdef LORAPRO_HAS_POSIX_FILES
    const long page_size = ::sysconf(_SC_PAGESIZE);
    if (mapped_ == nullptr || page_size <= 0 || offset > size_) return;
    const auto page = static_cast<std::uint64_t>(page_size);
    const std::uint64_t begin = (offset + page - 1) / page * page;
    const std::uint64_t end = (offset + (std::min)(count, size_ - offset)) / page * page;
    // Advice, which nothing depends on.
    if (begin < end)
      (void)::madvise(const_cast<unsigned char*>(mapped_) + begin,
                      static_cast<std::size_t>(end - begin), MADV_DONTNEED);
#else
    (void)offset, (void)count;
#endif
  }

 private:
#ifdef LORAPRO_HAS_POSIX_FILES
  /// \return false where the file cannot be mapped, which may still be read.
  bool map() {
    const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    struct stat status = {};
    if (::fstat(descriptor, &status) == 0 && status.st_size > 0) {
      void* const address = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ,
                                   MAP_PRIVATE, descriptor, 0);
      if (address != MAP_FAILED) {
        mapped_ = static_cast<const unsigned char*>(address);
        size_ = static_cast<std::uint64_t>(status.st_size);
      }
    }
    ::close(descriptor);
    return mapped_ != nullptr;
  }
#endif

  std::filesystem::path path_;
  mutable std::ifstream stream_;
  const unsigned char* mapped_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace io
LORAPRO_NAMESPACE_END
