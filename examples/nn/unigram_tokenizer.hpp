// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::max, std::min, std::reverse
#include <cmath>      // std::isfinite
#include <cstddef>
#include <cstdint>  // std::uintmax_t
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../support/labelled_images.hpp"
#include "nfkc.hpp"

namespace examples::nn {

/// A piece of text and its log-probability. Its id is its place in the vocabulary.
struct Piece {
  std::string text;
  double score = 0.0;
};

/// Splits a text into the pieces of a vocabulary whose scores have the largest sum (the unigram
/// model of SentencePiece). Spaces become U+2581, and one is put in front of the text. A character
/// that no piece starts with is unknown; a run of them is one token.
///
/// It gives the same tokens as the JavaScript that the Universal Sentence Encoder Lite comes with,
/// two peculiarities included: an unknown character costs nothing, and a path whose sum is 0 (some
/// pieces have the score 0) counts as none, which a later one replaces.
class UnigramTokenizer {
 public:
  static constexpr int kUnknown = 0;
  static constexpr std::size_t kReserved = 6;  // ids that no text has: unknown, <s>, </s>, ...

  /// \throws std::invalid_argument if a piece is empty or not UTF-8.
  explicit UnigramTokenizer(const std::vector<Piece>& vocabulary)
      : vocabulary_size_(vocabulary.size()) {
    texts_.reserve(vocabulary.size());  // its elements must not move
    for (std::size_t id = kReserved; id < vocabulary.size(); ++id) {
      auto text = code_points(vocabulary[id].text);
      if (text.empty()) throw std::invalid_argument("a piece of the vocabulary is empty");
      longest_ = std::max(longest_, text.size());
      texts_.push_back(std::move(text));
      entries_[texts_.back()] = {vocabulary[id].score, static_cast<int>(id)};
    }
  }

  // Moving the texts keeps their addresses, copying them does not.
  UnigramTokenizer(UnigramTokenizer&&) = default;
  UnigramTokenizer& operator=(UnigramTokenizer&&) = default;

  std::size_t vocabulary_size() const { return vocabulary_size_; }

  /// The ids of the pieces. \throws std::invalid_argument if the text is not UTF-8.
  std::vector<int> encode(std::string_view utf8) const {
    constexpr char32_t kSpace = 0x2581;
    std::u32string text = nfkc(utf8);
    if (text.empty()) return {};
    for (char32_t& character : text) {
      if (character == U' ') character = kSpace;
    }
    text.insert(text.begin(), kSpace);

    // best[end] is the best path over the first `end` characters, by its last piece.
    std::vector<Arrival> best(text.size() + 1);
    const auto arrive = [&](std::size_t start, std::size_t length, const Entry& entry) {
      Arrival& arrival = best[start + length];
      const double score = best[start].score + entry.score;
      if (arrival.score == 0 || score >= arrival.score) arrival = {score, entry.id, length};
    };
    for (std::size_t start = 0; start < text.size(); ++start) {
      bool known = false;
      for (std::size_t length = 1; length <= std::min(longest_, text.size() - start); ++length) {
        const auto found = entries_.find(std::u32string_view(text).substr(start, length));
        if (found == entries_.end()) continue;
        arrive(start, length, found->second);
        known = true;
      }
      if (!known) arrive(start, 1, {0.0, kUnknown});
    }

    std::vector<int> ids;
    for (std::size_t end = text.size(); end > 0; end -= best[end].length) {
      const int id = best[end].id;
      if (id != kUnknown || ids.empty() || ids.back() != kUnknown) ids.push_back(id);
    }
    std::reverse(ids.begin(), ids.end());
    return ids;
  }

 private:
  struct Entry {
    double score;
    int id;
  };
  struct Arrival {
    double score = 0.0;
    int id = kUnknown;
    std::size_t length = 1;
  };

  std::vector<std::u32string> texts_;
  std::unordered_map<std::u32string_view, Entry> entries_;  // of what is in texts_
  std::size_t longest_ = 0;
  std::size_t vocabulary_size_;
};

/// Reads a vocabulary: a JSON array of [piece, log-probability], where null stands for 0.
/// \throws DataMissing if there is no such file; DataError if it is not as described.
inline std::vector<Piece> read_vocabulary(const std::filesystem::path& path) {
  constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{16} << 20;
  const auto fail = [&](const std::string& what) { throw DataError(path.string() + ": " + what); };
  std::ifstream file(path, std::ios::binary);
  if (!file) throw DataMissing("there is no " + path.string());
  if (std::filesystem::file_size(path) > kMaxFileBytes) fail("is larger than 16 MiB");
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) fail("is not a JSON array");
  std::vector<Piece> vocabulary;
  for (const auto& item : json) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() ||
        !(item[1].is_number() || item[1].is_null())) {
      fail("has an entry that is not [piece, log-probability]");
    }
    Piece piece{item[0].get<std::string>(), item[1].is_null() ? 0.0 : item[1].get<double>()};
    if (piece.text.empty()) fail("has an empty piece");
    if (!std::isfinite(piece.score)) fail("has a log-probability that is not finite");
    vocabulary.push_back(std::move(piece));
  }
  if (vocabulary.size() <= UnigramTokenizer::kReserved) fail("has no pieces");
  return vocabulary;
}

}  // namespace examples::nn
