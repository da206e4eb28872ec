// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/gguf.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A GGUF file on a disk, mapped into memory where it can be, else read into it.
class GgufFile {
 public:
  /// \throws FileError, FormatError (GgufReader).
  explicit GgufFile(const std::filesystem::path& path)
      : file_(path), bytes_(contents(file_)), reader_(data(), file_.size(), path.string()) {}
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  const GgufReader& reader() const { return reader_; }

  /// Lets go of the memory that the mapped bytes of a tensor of reader() take (FileReader::forget).
  void forget(const GgufTensor& tensor) const noexcept {
    if (bytes_.empty())
      file_.forget(static_cast<std::uint64_t>(tensor.data - file_.mapped()), tensor.bytes);
  }

 private:
  const std::uint8_t* data() const { return bytes_.empty() ? file_.mapped() : bytes_.data(); }

  /// The bytes of a file that cannot be mapped.
  static std::vector<std::uint8_t> contents(const FileReader& file) {
    std::vector<std::uint8_t> out;
    if (file.mapped() == nullptr) {
      out.resize(static_cast<std::size_t>(file.size()));
      file.read(0, out.size(), out.data());
    }
    return out;
  }

  FileReader file_;
  std::vector<std::uint8_t> bytes_;
  GgufReader reader_;
};

}  // namespace io
LORAPRO_NAMESPACE_END
