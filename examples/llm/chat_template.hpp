// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "data_example.hpp"

namespace examples::llm {

/// The ways to render a conversation that are known here.
enum class ChatStyle { chatml, llama3, llama2, mistral, zephyr };

struct ChatStyleInfo {
  ChatStyle style;
  std::string_view name;
};

inline constexpr std::array kChatStyles{
    ChatStyleInfo{ChatStyle::chatml, "chatml"}, ChatStyleInfo{ChatStyle::llama3, "llama3"},
    ChatStyleInfo{ChatStyle::llama2, "llama2"}, ChatStyleInfo{ChatStyle::mistral, "mistral"},
    ChatStyleInfo{ChatStyle::zephyr, "zephyr"},
};

std::string_view name_of(ChatStyle style);
std::optional<ChatStyle> chat_style_named(std::string_view name);

/// The texts of the tokens that begin and end a text.
struct EdgeTokens {
  std::string bos;
  std::string eos;
};

/// How a model was taught to see a conversation. Rendered, the assistant's answers, each with the
/// token that closes its turn, are to be trained on, the rest is not:
///
///     chatml   <|im_start|>user\n...<|im_end|>\n<|im_start|>assistant\n[...<|im_end|>]\n
///     llama3   BOS<|start_header_id|>user<|end_header_id|>\n\n...<|eot_id|>
///              <|start_header_id|>assistant<|end_header_id|>\n\n[...<|eot_id|>]   (in one line)
///     llama2   BOS[INST] <<SYS>>\n...\n<</SYS>>\n\n... [/INST][ ... EOS]BOS[INST] ...
///     mistral  BOS[INST] ... [/INST][ ...EOS][INST] ...
///     zephyr   <|user|>\n...EOS\n<|assistant|>\n[...EOS]\n
///
/// \ref the templates of SmolLM2 and Qwen2.5, Llama 3, Llama 2, Mistral 7B, and Zephyr and
/// TinyLlama, as Hugging Face's apply_chat_template renders them.
struct ChatTemplate {
  ChatStyle style = ChatStyle::chatml;
  /// What a conversation without a system message begins with; none if empty.
  std::string default_system;

  /// \throws lorapro::FormatError: a message where the style has no place for one.
  Segments render(const Conversation& conversation, const EdgeTokens& edges) const;

  /// The same up to where the assistant's answer is to begin.
  std::string render_prompt(const Conversation& conversation, const EdgeTokens& edges) const;
};

}  // namespace examples::llm
