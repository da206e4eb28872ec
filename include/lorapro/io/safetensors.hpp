// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/atomic_file.hpp>
#include <lorapro/io/file_kind.hpp>
#include <lorapro/io/safetensors_header.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A safetensors file: 8 bytes N, little-endian; a JSON header of N bytes; the numbers. The whole
/// header is checked at once, the numbers are read tensor by tensor, so that a file may be larger
/// than the memory. One thread at a time.
///
/// \code
/// const lorapro::io::SafetensorsReader file("adapter_model.safetensors");
/// const auto& tensor = file.at("lora_A", {rank, in_features});
/// file.read(tensor, A.data());  // row-major; F64, F32, F16 or BF16 in the file
/// \endcode
///
/// \ref github.com/huggingface/safetensors. Stricter than its reader in what that leaves open: the
/// header begins with '{' and ends in spaces, and has no key twice and none of its own.
class SafetensorsReader {
 public:
  /// \throws FileError (cannot be opened or read), FormatError (parse_safetensors_header; a file
  /// that is shorter than its header, or a header longer than 100,000,000 bytes; a file of another
  /// kind, such as a pickle, a web page or a pointer of git LFS, as what it is).
  explicit SafetensorsReader(const std::filesystem::path& path, FileAccess access = FileAccess::map)
      : file_(path, access) {
    constexpr std::uint64_t kLengthBytes = SafetensorsHeader::kLengthBytes;
    if (file_.size() < kLengthBytes)
      fail_header("expected the 8 bytes of its length, got a file of " +
                  std::to_string(file_.size()));
    std::uint64_t length = 0;
    file_.read(0, sizeof length, &length);
    if (length > SafetensorsHeader::kLargestLength)
      fail_header("expected a length of at most 100000000, got " + std::to_string(length));
    if (length > file_.size() - kLengthBytes)
      fail_header("expected " + std::to_string(length) + " bytes, got a file of " +
                  std::to_string(file_.size()));
    std::string text(static_cast<std::size_t>(length), '\0');
    file_.read(kLengthBytes, text.size(), text.data());
    data_begin_ = kLengthBytes + length;
    if (text.empty() || text.front() != '{') fail_header("expected '{' as its first byte");
    header_ = parse_safetensors_header(path, text, file_.size() - data_begin_);
    for (std::size_t i = 0; i < header_.tensors.size(); ++i)
      index_.emplace(header_.tensors[i].name, i);
  }

  const std::filesystem::path& path() const { return file_.path(); }
  const Metadata& metadata() const { return header_.metadata; }
  /// In the order of their bytes.
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }

  /// A value that has to be there. \throws FormatError.
  const std::string& metadata(std::string_view key) const {
    const auto found = header_.metadata.find(key);
    if (found == header_.metadata.end())
      fail("metadata: expected the key " + detail::quoted_name(key) + ", got none");
    return found->second;
  }

  /// The tensor of this name, or null.
  const TensorInfo* find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &header_.tensors[found->second];
  }

  /// A tensor that has to be there. \throws FormatError.
  const TensorInfo& at(std::string_view name) const {
    const TensorInfo* const tensor = find(name);
    if (tensor == nullptr) detail::fail_tensor(path(), name, "expected in the file, got none");
    return *tensor;
  }

  /// A tensor that has to be there in this shape. \throws FormatError.
  const TensorInfo& at(std::string_view name, const TensorShape& shape) const {
    const TensorInfo& tensor = at(name);
    if (tensor.shape != shape)
      detail::fail_tensor(
          path(), name,
          "expected the shape " + shape_text(shape) + ", got " + shape_text(tensor.shape));
    return tensor;
  }

  /// Its bytes where they lie, not aligned; null where the file is not mapped.
  const unsigned char* mapped(const TensorInfo& tensor) const {
    return file_.mapped() == nullptr ? nullptr : file_.mapped() + data_begin_ + tensor.begin;
  }

  /// Lets go of the memory that its mapped bytes take (FileReader::forget).
  void forget(const TensorInfo& tensor) const noexcept {
    file_.forget(data_begin_ + tensor.begin, tensor.bytes());
  }

  /// Copies bytes [offset, offset + count) of a tensor, of any dtype.
  /// \param tensor  one of this file's.
  /// \throws ShapeError (not that many in it), FileError.
  void read_bytes(const TensorInfo& tensor, std::uint64_t offset, std::size_t count,
                  void* out) const {
    check_range(tensor, offset, count, tensor.bytes());
    file_.read(data_begin_ + tensor.begin + offset, count, out);
  }

  /// Copies elements [first, first + count) of a tensor, converted to T. Equal types keep every
  /// bit; a narrowing rounds to float first, then to the nearest of T.
  /// \param tensor  one of this file's.
  /// \tparam T      float, double, half or bfloat16.
  /// \throws FormatError (neither F64 nor F32, F16 or BF16), ShapeError (not that many), FileError.
  template <typename T>
  void read(const TensorInfo& tensor, std::uint64_t first, std::size_t count, T* out) const {
    const auto type = storage_type_of(tensor.dtype);
    if (!type)
      detail::fail_tensor(
          path(), tensor.name,
          "expected F64, F32, F16 or BF16, got " + std::string(info(tensor.dtype).name));
    check_range(tensor, first, count, tensor.count());
    visit_storage_type(*type, [&](auto zero) {
      using Stored = decltype(zero);
      constexpr std::size_t kBlock = 4096;
      unsigned char block[kBlock * sizeof(Stored)];
      for (std::size_t done = 0; done < count;) {
        const std::size_t now = (std::min)(kBlock, count - done);
        file_.read(data_begin_ + tensor.begin + (first + done) * sizeof(Stored),
                   now * sizeof(Stored), block);
        detail::convert_bytes<Stored, T>(block, reinterpret_cast<unsigned char*>(out + done), now);
        done += now;
      }
    });
  }

  /// All of it. \param out  tensor.count() numbers. \throws as above.
  template <typename T>
  void read(const TensorInfo& tensor, T* out) const {
    read(tensor, 0, static_cast<std::size_t>(tensor.count()), out);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(path().string() + ": " + problem);
  }

  /// Of a file that is something else, what it is says more than the rule that it breaks.
  [[noreturn]] void fail_header(const std::string& problem) const {
    const std::string kind = detail::kind_of_file(file_);
    if (kind.empty() || kind == detail::kSafetensorsKind) fail("header: " + problem);
    fail("expected a safetensors file, got " + kind);
  }

  static void check_range(const TensorInfo& tensor, std::uint64_t first, std::size_t count,
                          std::uint64_t available) {
    if (first <= available && count <= available - first) return;
    throw ShapeError("tensor " + detail::quoted_name(tensor.name) + ": expected a range within " +
                     std::to_string(available) + ", got " + std::to_string(count) + " from " +
                     std::to_string(first));
  }

  FileReader file_;
  SafetensorsHeader header_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::uint64_t data_begin_ = 0;
};

/// Takes the bytes of one tensor while a file is written.
class TensorSink {
 public:
  TensorSink(AtomicFile& file, const TensorInfo& tensor)
      : file_(file), tensor_(tensor), missing_(tensor.bytes()) {}

  const TensorInfo& tensor() const { return tensor_; }

  /// Appends bytes. \throws StateError (more than the tensor has), FileError.
  void write_bytes(const void* bytes, std::size_t count) {
    if (count > missing_) fail(count);
    file_.write(bytes, count);
    missing_ -= count;
  }

  /// Appends numbers, converted to the tensor's dtype as SafetensorsReader::read converts.
  /// \tparam T  float, double, half or bfloat16.
  /// \throws as write_bytes; ConfigError (a dtype that is not F64, F32, F16 or BF16).
  template <typename T>
  void write(const T* values, std::size_t count) {
    const auto type = storage_type_of(tensor_.dtype);
    if (!type)
      throw ConfigError("dtype: expected F64, F32, F16 or BF16, got " +
                        std::string(info(tensor_.dtype).name));
    if (tensor_.dtype == dtype_of<T>()) return write_bytes(values, count * sizeof(T));
    visit_storage_type(*type, [&](auto zero) {
      using Stored = decltype(zero);
      constexpr std::size_t kBlock = 4096;
      unsigned char block[kBlock * sizeof(Stored)];
      for (std::size_t done = 0; done < count;) {
        const std::size_t now = (std::min)(kBlock, count - done);
        detail::convert_bytes<T, Stored>(reinterpret_cast<const unsigned char*>(values + done),
                                         block, now);
        write_bytes(block, now * sizeof(Stored));
        done += now;
      }
    });
  }

  /// \throws StateError if bytes are missing.
  void finish() const {
    if (missing_ > 0) fail(0);
  }

 private:
  [[noreturn]] void fail(std::size_t more) const {
    throw StateError("tensor " + detail::quoted_name(tensor_.name) + ": expected " +
                     std::to_string(tensor_.bytes()) + " bytes, got " +
                     std::to_string(tensor_.bytes() - missing_ + more));
  }

  AtomicFile& file_;
  const TensorInfo& tensor_;
  std::uint64_t missing_;
};

/// Writes a safetensors file tensor by tensor: all are declared first, then each gives its bytes
/// when its turn comes, so that one tensor at a time has to be in memory.
///
/// \code
/// lorapro::io::SafetensorsWriter file;
/// file.set_metadata("format", "pt");
/// file.add("lora_A", {rank, in_features}, A.data());  // A stays where it is until write
/// file.add("merged", Dtype::bf16, {out, in}, [&](TensorSink& sink) {
///   for (Index i = 0; i < out; ++i) sink.write(merged_row(i).data(), in);
/// });
/// file.write("adapter_model.safetensors");
/// \endcode
class SafetensorsWriter {
 public:
  using Produce = std::function<void(TensorSink&)>;

  void set_metadata(const std::string& key, const std::string& value) {
    header_.metadata[key] = value;
  }

  /// Declares a tensor.
  /// \param produce  called by write, in the order of the file: gives the sink all of its bytes.
  /// \throws ConfigError (a name that is taken, or "__metadata__", which is the format's own; a
  /// shape that is no whole number of bytes below 2^61).
  void add(const std::string& name, Dtype dtype, TensorShape shape, Produce produce) {
    if (name == SafetensorsHeader::kMetadataName)
      throw ConfigError("name: expected another than " + detail::quoted_name(name) +
                        ", under which the format keeps metadata: no tensor can have it");
    if (produce_.count(name) > 0)
      throw ConfigError("name: expected one of its own, got " + detail::quoted_name(name) +
                        " again");
    TensorInfo tensor{name, dtype, std::move(shape), 0, 0};
    const std::string problem = detail::size_problem(dtype, tensor.shape, tensor.end);
    if (!problem.empty()) throw ConfigError("tensor " + detail::quoted_name(name) + ": " + problem);
    header_.tensors.push_back(std::move(tensor));
    produce_.emplace(name, std::move(produce));
  }

  /// Declares a tensor whose numbers are in memory already, row-major, and stay there until write.
  /// \tparam T  float, double, half or bfloat16. \throws as above.
  template <typename T>
  void add(const std::string& name, TensorShape shape, const T* values) {
    add(name, dtype_of<T>(), std::move(shape), [values](TensorSink& sink) {
      sink.write(values, static_cast<std::size_t>(sink.tensor().count()));
    });
  }

  /// Writes the file, whole or not at all (AtomicFile): the widest dtype first, then by name, the
  /// data aligned to 8 bytes.
  /// \throws ConfigError (safetensors_header_text; more than 2^64 bytes), StateError (a tensor got
  /// other than its bytes), FileError, and what the tensors throw; the old file is then untouched.
  /// \return AtomicFile::warnings.
  Warnings write(const std::filesystem::path& path) const {
    SafetensorsHeader header = header_;
    std::sort(header.tensors.begin(), header.tensors.end(),
              [](const TensorInfo& a, const TensorInfo& b) {
                return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
              });
    std::uint64_t end = 0;
    for (TensorInfo& tensor : header.tensors) {
      tensor.begin = end;
      end += tensor.end;
      if (end < tensor.begin) throw ConfigError("tensors: expected less than 2^64 bytes");
      tensor.end = end;
    }
    const std::string text = safetensors_header_text(header);
    const std::uint64_t length = text.size();
    AtomicFile file(path);
    file.write(&length, sizeof length);
    file.write(text.data(), text.size());
    for (const TensorInfo& tensor : header.tensors) {
      TensorSink sink(file, tensor);
      produce_.at(tensor.name)(sink);
      sink.finish();
    }
    file.commit();
    return file.warnings();
  }

 private:
  SafetensorsHeader header_;  // tensors from 0 to their size, in the order of add
  std::map<std::string, Produce> produce_;
};

}  // namespace io
LORAPRO_NAMESPACE_END
