// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/json_document.hpp>

#include <array>     // std::array
#include <optional>  // std::optional
#include <vector>    // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// config.json of a model, as transformers takes it: what an adapter that changes the embedding or
/// the head has to know of it and may have to change in it. Everything else is kept.
class ModelConfig {
 public:
  static constexpr const char* kFileName = "config.json";

  /// \throws FormatError, FileError.
  explicit ModelConfig(std::filesystem::path path)
      : path_(std::move(path)),
        document_(read_document<nlohmann::ordered_json>(path_)),
        original_(document_) {}

  const std::filesystem::path& path() const { return path_; }

  /// What the file says of tie_word_embeddings, at its top or in the part that describes the
  /// language model; nothing where it says nothing.
  /// \throws FormatError: no boolean; one in each place that contradict one another, of which
  /// releases of transformers take one or the other.
  std::optional<bool> ties_embeddings() const {
    std::optional<bool> out;
    for (const Json* const part : parts()) {
      const auto found = part->find(kTied);
      if (found == part->end()) continue;
      if (!found->is_boolean() && !found->is_null())
        fail(std::string(kTied) + ": expected true or false, got something else");
      const bool here = found->is_boolean() && found->template get<bool>();  // None is false
      if (out && *out != here)
        fail(std::string(kTied) + ": expected one value, got " +
             (here ? "false and true" : "true and false") + " in two places");
      out = here;
    }
    return out;
  }

  /// Whether a model of this family is tied where the file does not say so.
  /// \ref transformers, configuration_*.py: before release 5 the default of every family that has
  /// none of its own.
  bool ties_by_default() const {
    for (const Json* const part : parts()) {
      const std::string type = text_of(*part, "model_type");
      for (const char* const tied :
           {"gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n", "gemma3n_text", "gpt2", "opt",
            "bloom", "falcon", "cohere", "cohere2", "starcoder2", "smollm3"})
        if (type == tied) return true;
    }
    return false;
  }

  /// Whether the model that the file names has a head over the vocabulary, as far as one can tell.
  bool has_head() const {
    const auto list = document_.find("architectures");
    if (list == document_.end() || !list->is_array() || list->size() != 1 ||
        !(*list)[0].is_string())
      return true;
    const auto& name = (*list)[0].get_ref<const std::string&>();
    const auto contains = [&](const char* part) { return name.find(part) != std::string::npos; };
    constexpr std::string_view kModel = "Model";
    const bool is_bare = name.size() >= kModel.size() &&
                         name.compare(name.size() - kModel.size(), kModel.size(), kModel) == 0 &&
                         !contains("LMHead");
    return !is_bare && !contains("Classification") && !contains("QuestionAnswering");
  }

  /// Whether encoder and decoder share the embedding too, and what they compute depends on it.
  bool is_encoder_decoder() const {
    const auto found = document_.find("is_encoder_decoder");
    return found != document_.end() && *found == true;
  }

  void untie() {
    for (Json* const part : parts_of(document_)) (*part)[kTied] = false;
  }

  /// Where the file has it, or at its top where it has none.
  void set_vocab_size(std::uint64_t size) {
    bool written = false;
    for (Json* const part : parts_of(document_))
      if (part->contains(kVocabulary)) {
        (*part)[kVocabulary] = size;
        written = true;
      }
    if (!written) document_[kVocabulary] = size;
  }

  bool changed() const { return document_ != original_; }

  /// The text of the file, as transformers lays it out.
  std::string text() const { return document_.dump(2, ' ', true) + "\n"; }

 private:
  using Json = nlohmann::ordered_json;
  static constexpr const char* kTied = "tie_word_embeddings";
  static constexpr const char* kVocabulary = "vocab_size";

  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(path_.string() + ": " + problem);
  }

  static std::string text_of(const Json& part, const char* field) {
    const auto found = part.find(field);
    return found != part.end() && found->is_string() ? found->get<std::string>() : "";
  }

  /// The parts of the document that describe a language model, and then itself: a field that is
  /// added moves what is inside of it.
  template <typename Document>
  static std::vector<Document*> parts_of(Document& document) {
    std::vector<Document*> out;
    for (const char* const name : {"text_config", "llm_config", "language_config"})
      if (const auto found = document.find(name); found != document.end() && found->is_object())
        out.push_back(&*found);
    out.push_back(&document);
    return out;
  }
  std::vector<const Json*> parts() const { return parts_of(document_); }

  std::filesystem::path path_;
  Json document_, original_;
};

}  // namespace io
LORAPRO_NAMESPACE_END
