// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/dtype.hpp>
#include <lorapro/io/error.hpp>

#include <algorithm>   // std::sort
#include <functional>  // std::less
#include <map>         // std::map
#include <set>         // std::set
#include <utility>     // std::pair
#include <vector>      // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// Keys and values of the user's own.
using Metadata = std::map<std::string, std::string, std::less<>>;

using TensorShape = std::vector<std::uint64_t>;

/// "(16, 4096)", "()" of a scalar.
inline std::string shape_text(const TensorShape& shape) {
  std::string text = "(";
  for (const std::uint64_t size : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

/// One tensor of a safetensors file: row-major, little-endian.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::f32;
  TensorShape shape;        ///< empty for a scalar; a size of 0 is legal
  std::uint64_t begin = 0;  ///< of its bytes, from the end of the header
  std::uint64_t end = 0;

  std::uint64_t bytes() const { return end - begin; }
  std::uint64_t count() const { return bytes() * 8 / info(dtype).bits; }
};

/// What stands in front of the numbers.
struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorInfo> tensors;  ///< in the order of their bytes

  static constexpr std::uint64_t kLengthBytes = 8;            ///< of the header's own length
  static constexpr std::uint64_t kLargestLength = 100000000;  ///< as in the reference reader
  static constexpr const char* kMetadataName = "__metadata__";
};

namespace detail {

/// \throws FormatError that names the file, the tensor and the rule.
[[noreturn]] inline void fail_tensor(const std::filesystem::path& path, std::string_view tensor,
                                     const std::string& problem) {
  throw FormatError(path.string() + ": tensor " + quoted_name(tensor) + ": " + problem);
}

/// \return why a tensor of this dtype and shape cannot be, or nothing; then `bytes` is its size.
inline std::string size_problem(Dtype dtype, const TensorShape& shape, std::uint64_t& bytes) {
  std::uint64_t bits = 1;
  for (const std::uint64_t size : shape)
    if (!multiply(bits, size, bits))
      return "expected a number of elements below 2^64, got the shape " + shape_text(shape);
  if (!multiply(bits, info(dtype).bits, bits))
    return "expected a number of bits below 2^64, got the shape " + shape_text(shape);
  if (bits % 8 != 0)
    return "expected whole bytes, got the shape " + shape_text(shape) + " of " +
           std::string(info(dtype).name);
  bytes = bits / 8;
  return "";
}

/// Takes the events of a JSON parser; keeps what the format allows and refuses anything else where
/// it appears, so that nothing is nested deeper, and nothing larger is built, than the format has.
class SafetensorsHeaderEvents {
 public:
  SafetensorsHeaderEvents(const std::filesystem::path& path, SafetensorsHeader& header)
      : path_(path), header_(header) {}

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a boolean"); }
  bool number_integer(std::int64_t) { return unexpected("a number that is not unsigned"); }
  bool number_float(double, const std::string&) {
    return unexpected("a number that is not a whole one below 2^64");
  }
  template <typename Bytes>
  bool binary(Bytes&) {
    return unexpected("bytes");
  }

  bool number_unsigned(std::uint64_t value) {
    if (place_ == Place::shape) {
      tensor_.shape.push_back(value);
    } else if (place_ == Place::offsets && offsets_ < 2) {
      (offsets_ == 0 ? tensor_.begin : tensor_.end) = value;
      ++offsets_;
    } else {
      unexpected("a number");
    }
    return true;
  }

  bool string(std::string& value) {
    if (place_ == Place::metadata) {
      header_.metadata[key_] = std::move(value);
    } else if (place_ == Place::tensor && key_ == "dtype") {
      const auto dtype = dtype_named(value);
      if (!dtype) fail("dtype: expected one of the format, got " + quoted_name(value));
      tensor_.dtype = *dtype;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::start) {
      place_ = Place::root;
    } else if (place_ == Place::root && name_ == SafetensorsHeader::kMetadataName) {
      place_ = Place::metadata;
    } else if (place_ == Place::root) {
      place_ = Place::tensor;
      tensor_ = TensorInfo{name_, {}, {}, 0, 0};
    } else {
      unexpected("an object");
    }
    keys_.clear();
    return true;
  }

  bool key(std::string& value) {
    if (place_ == Place::root) {
      name_ = std::move(value);
      if (!names_.insert(name_).second) fail("expected one entry, got another of the same name");
      return true;
    }
    key_ = std::move(value);
    if (!keys_.insert(key_).second) fail("expected one " + quoted_name(key_) + ", got another");
    if (place_ == Place::tensor && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets")
      fail("expected dtype, shape and data_offsets, got " + quoted_name(key_));
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor) {
      for (const char* const field : {"dtype", "shape", "data_offsets"})
        if (keys_.count(field) == 0) fail("expected a " + std::string(field) + ", got none");
      header_.tensors.push_back(std::move(tensor_));
    }
    place_ = place_ == Place::root ? Place::start : Place::root;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::metadata && (key_ == "shape" || key_ == "data_offsets"))
      fail("expected strings, as the format keeps this name for metadata, got a tensor");
    if (place_ == Place::tensor && key_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::tensor && key_ == "data_offsets") {
      place_ = Place::offsets;
      offsets_ = 0;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offsets_ != 2) fail("data_offsets: expected two, got fewer");
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    throw FormatError(path_.string() + ": header: expected JSON in UTF-8, got something else at " +
                      "its byte " + std::to_string(position));
  }

 private:
  enum class Place { start, root, metadata, tensor, shape, offsets };

  const char* expected() const {
    switch (place_) {
      case Place::metadata:
        return "a string";
      case Place::tensor:
        return key_ == "dtype" ? "a string" : "an array";
      case Place::shape:
        return "whole numbers";
      case Place::offsets:
        return "two whole numbers";
      default:
        return "an object";
    }
  }

  bool unexpected(const char* came) {
    fail((place_ == Place::start || place_ == Place::root ? "" : key_for_message() + ": ") +
         "expected " + expected() + ", got " + came);
  }

  std::string key_for_message() const {
    return place_ == Place::metadata ? quoted_name(key_) : key_;  // the others are known names
  }

  [[noreturn]] void fail(const std::string& problem) const {
    if (place_ == Place::start) throw FormatError(path_.string() + ": header: " + problem);
    fail_tensor(path_, name_, problem);
  }

  const std::filesystem::path& path_;
  SafetensorsHeader& header_;
  Place place_ = Place::start;
  std::set<std::string> names_;  // of the entries so far
  std::set<std::string> keys_;   // of the object so far
  std::string name_, key_;
  TensorInfo tensor_;
  int offsets_ = 0;
};

/// Sorts the tensors by their bytes, which have to follow one another without a hole up to
/// `data_bytes`, and checks their sizes.
inline void check_tensors(const std::filesystem::path& path, std::uint64_t data_bytes,
                          std::vector<TensorInfo>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.begin != end || tensor.end < tensor.begin)
      fail_tensor(path, tensor.name,
                  "data_offsets: expected a begin of " + std::to_string(end) +
                      " and an end not before it, got [" + std::to_string(tensor.begin) + ", " +
                      std::to_string(tensor.end) + "]");
    std::uint64_t bytes = 0;
    const std::string problem = size_problem(tensor.dtype, tensor.shape, bytes);
    if (!problem.empty()) fail_tensor(path, tensor.name, problem);
    if (tensor.bytes() != bytes)
      fail_tensor(path, tensor.name,
                  "data_offsets: expected " + std::to_string(bytes) + " bytes for " +
                      shape_text(tensor.shape) + " of " + std::string(info(tensor.dtype).name) +
                      ", got " + std::to_string(tensor.bytes()));
    end = tensor.end;
  }
  if (end != data_bytes)
    throw FormatError(path.string() + ": data: expected " + std::to_string(end) +
                      " bytes as the header says, got " + std::to_string(data_bytes));
}

}  // namespace detail

/// Reads the header of a file, all of which has to be as the format wants it.
/// \param path        for messages.
/// \param text        the header's bytes, padding included.
/// \param data_bytes  how many bytes follow it in the file.
/// \throws FormatError: no JSON object in UTF-8; another first byte than '{'; anything but spaces
/// behind the object; keys twice; keys, types or numbers that the format has not; tensors whose
/// bytes overlap, leave a hole, are not those of their shape or do not end with the file.
inline SafetensorsHeader parse_safetensors_header(const std::filesystem::path& path,
                                                  std::string_view text, std::uint64_t data_bytes) {
  if (text.empty() || text.front() != '{')
    throw FormatError(path.string() + ": header: expected '{' as its first byte");
  // The parser takes a NUL for the end of its input, and other white space for padding.
  const auto last = text.find_last_not_of(' ');
  if (text[last] != '}' || text.find('\0') != std::string_view::npos)
    throw FormatError(path.string() + ": header: expected nothing but spaces behind its object");
  SafetensorsHeader header;
  detail::SafetensorsHeaderEvents events(path, header);
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
  detail::check_tensors(path, data_bytes, header.tensors);
  return header;
}

/// The text of a header, padded to a multiple of 8 bytes by spaces.
/// \throws ConfigError (a name or a value that is not UTF-8; a header longer than the format has).
inline std::string safetensors_header_text(const SafetensorsHeader& header) {
  std::string text = "{";
  const auto add_string = [&](const std::string& value) {
    try {
      text += nlohmann::json(value).dump();
    } catch (const nlohmann::json::type_error&) {
      throw ConfigError("name: expected UTF-8, got " + detail::quoted_name(value));
    }
  };
  if (!header.metadata.empty()) {
    text += '"' + std::string(SafetensorsHeader::kMetadataName) + "\":{";
    for (const auto& [key, value] : header.metadata) {
      if (text.back() != '{') text += ',';
      add_string(key);
      text += ':';
      add_string(value);
    }
    text += '}';
  }
  for (const TensorInfo& tensor : header.tensors) {
    if (text.size() > 1) text += ',';
    add_string(tensor.name);
    text += ":{\"dtype\":\"" + std::string(info(tensor.dtype).name) + "\",\"shape\":[";
    for (const std::uint64_t size : tensor.shape)
      text += (text.back() == '[' ? "" : ",") + std::to_string(size);
    text += "],\"data_offsets\":[" + std::to_string(tensor.begin) + ',' +
            std::to_string(tensor.end) + "]}";
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > SafetensorsHeader::kLargestLength)
    throw ConfigError("tensors: expected a header of at most " +
                      std::to_string(SafetensorsHeader::kLargestLength) + " bytes, got " +
                      std::to_string(text.size()));
  return text;
}

}  // namespace io
LORAPRO_NAMESPACE_END
