// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/module_pattern.hpp>

#include <algorithm>      // std::min
#include <cstdint>        // std::uint64_t
#include <unordered_map>  // std::unordered_map
#include <utility>        // std::pair

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// Values of modules by keys, which are regular expressions; their order counts (PatternIndex).
template <typename Value>
using PatternMap = std::vector<std::pair<std::string, Value>>;

/// Tells which key of a PatternMap counts for a path: the first that matches the whole path or what
/// follows one of its dots, or else the one that is the path, letter by letter.
///
/// Keys without repetitions, groups, classes and alternatives (`layers.0.q_proj`, where the dot is
/// any character) form a tree that is walked from the path's end; each of the others is compiled
/// once.
/// \cost making: the length of all keys. A path: its length, if no dot of a key meets another
/// character, and the length of the path times that of each key outside of the tree that comes
/// before the one that counts.
/// \ref PEFT, get_pattern_key.
class PatternIndex {
 public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  /// \throws FormatError (a key that ModulePattern does not understand).
  template <typename Value>
  explicit PatternIndex(const PatternMap<Value>& patterns) : ends_(1) {
    for (std::size_t k = 0; k < patterns.size(); ++k) add(patterns[k].first, k);
  }

  /// \param visited  if given, grows by the number of nodes of the tree and of compiled keys that
  ///                 were looked at.
  /// \return the position of the key, or npos.
  std::size_t first_match(std::string_view path, std::size_t* visited = nullptr) const {
    std::size_t work = 0, found = first_in_tree(path, work);
    for (const auto& [position, pattern] : compiled_) {
      if (position > found) break;
      ++work;
      if (pattern.matches_suffix(path)) found = position;
    }
    if (found == npos) {
      const auto same = literal_.find(std::string(path));
      if (same != literal_.end()) found = same->second;
    }
    if (visited != nullptr) *visited += work;
    return found;
  }

 private:
  /// The first keys that end in a node, read from the right.
  struct Ends {
    std::size_t behind_dot = npos;
    std::size_t at_start = npos;  // of keys that begin with ^
  };

  static constexpr std::uint64_t kAny = 256;
  static constexpr std::size_t kRoot = 0;

  void add(const std::string& key, std::size_t position) {
    std::vector<std::uint64_t> letters;
    if (!split(key, letters)) {
      compiled_.emplace_back(position, ModulePattern(key));
      literal_.emplace(key, position);
      return;
    }
    std::size_t node = kRoot;
    for (auto letter = letters.rbegin(); letter != letters.rend(); ++letter) {
      const auto [edge, is_new] = edges_.emplace(name_of_edge(node, *letter), ends_.size());
      if (is_new) ends_.emplace_back();
      node = edge->second;
    }
    std::size_t& end = key[0] == '^' ? ends_[node].at_start : ends_[node].behind_dot;
    end = (std::min)(end, position);
  }

  /// Whether a key is a row of letters, escaped signs and dots, between anchors or not.
  static bool split(const std::string& key, std::vector<std::uint64_t>& letters) {
    constexpr std::string_view kSigns = "^$*+?{}[]()|";
    for (std::size_t k = key[0] == '^' ? 1 : 0; k < key.size(); ++k) {
      char letter = key[k];
      if (letter == '$' && k + 1 == key.size()) break;
      if (letter == '.') {
        letters.push_back(kAny);
        continue;
      }
      if (letter == '\\') {
        if (++k == key.size()) return false;
        letter = key[k];
        const bool is_letter = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
        if (is_letter || (letter >= '0' && letter <= '9')) return false;
      } else if (kSigns.find(letter) != std::string_view::npos) {
        return false;
      }
      letters.push_back(static_cast<unsigned char>(letter));
    }
    return true;
  }

  static std::uint64_t name_of_edge(std::size_t node, std::uint64_t letter) {
    return static_cast<std::uint64_t>(node) * (kAny + 1) + letter;
  }

  std::size_t first_in_tree(std::string_view path, std::size_t& work) const {
    std::size_t found = npos;
    std::vector<std::size_t> now{kRoot}, next;
    for (std::size_t k = path.size(); !now.empty(); --k) {
      work += now.size();
      for (const std::size_t node : now) {
        if (k == 0) found = (std::min)(found, ends_[node].at_start);
        if (k == 0 || path[k - 1] == '.') found = (std::min)(found, ends_[node].behind_dot);
      }
      if (k == 0) break;
      const char letter = path[k - 1];
      next.clear();
      const auto follow = [&](std::size_t node, std::uint64_t name) {
        const auto edge = edges_.find(name_of_edge(node, name));
        if (edge != edges_.end()) next.push_back(edge->second);
      };
      for (const std::size_t node : now) {
        follow(node, static_cast<unsigned char>(letter));
        if (letter != '\n') follow(node, kAny);
      }
      now.swap(next);
    }
    return found;
  }

  std::vector<Ends> ends_;                                // of each node
  std::unordered_map<std::uint64_t, std::size_t> edges_;  // from a node by a letter
  std::vector<std::pair<std::size_t, ModulePattern>> compiled_;
  std::unordered_map<std::string, std::size_t> literal_;  // keys that are compiled
};

/// The value that counts for one path, or null. For many paths make a PatternIndex.
/// \throws FormatError (PatternIndex).
template <typename Value>
const Value* find_pattern(const PatternMap<Value>& patterns, std::string_view path) {
  const std::size_t found = PatternIndex(patterns).first_match(path);
  return found == PatternIndex::npos ? nullptr : &patterns[found].second;
}

}  // namespace io
LORAPRO_NAMESPACE_END
