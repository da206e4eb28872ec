// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

#include <string>       // std::string
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// Whether a name goes on in front of `end`.
inline bool ends_with(std::string_view name, std::string_view end) {
  return name.size() > end.size() && name.substr(name.size() - end.size()) == end;
}

/// "a.b.weight" -> "a.b"; empty for other tensors.
inline std::string module_of_weight(const std::string& tensor) {
  return ends_with(tensor, ".weight") ? tensor.substr(0, tensor.size() - 7) : "";
}

inline std::string last_name(const std::string& module) {
  return module.substr(module.rfind('.') + 1);
}

/// Names that models have for the table of their vocabulary, and for the head over it.
inline bool is_embedding(const std::string& module) {
  for (const char* const name :
       {"embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings", "shared"})
    if (last_name(module) == name) return true;
  return false;
}
inline bool is_head(const std::string& module) {
  return last_name(module) == "lm_head" || last_name(module) == "embed_out";
}

/// Where a model with this embedding has its head, or empty where that is not known.
inline std::string head_beside(const std::string& embedding) {
  if (embedding == "gpt_neox.embed_in") return "embed_out";
  std::string outer;  // model.embed_tokens of language_model.model.embed_tokens
  const std::string_view inner = ".model.embed_tokens";
  if (ends_with(embedding, inner)) outer = embedding.substr(0, embedding.size() - inner.size() + 1);
  // In later models the language model is inside of the model, and the head outside again.
  if (!outer.empty() && outer != "model.") return outer + "lm_head";
  for (const char* const top : {"model.", "transformer."})
    if (embedding.rfind(top, 0) == 0) return "lm_head";
  return "";
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
