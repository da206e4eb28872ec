// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "chat_template.hpp"

namespace examples::llm {

/// Tells a model's own template, a program in Jinja, by the markers that it writes; it is not run.
/// A default system text is taken where the template has one as it stands, between the tokens of
/// a system message.
/// \param where  the file that it is from, for messages.
/// \throws lorapro::FormatError: markers of none or of two known styles; a template that writes a
/// date or blocks of thought, so that it renders otherwise than its style; several default texts.
ChatTemplate recognise_chat_template(std::string_view jinja, const std::string& where);

/// The template of a model's folder: chat_template.jinja, or chat_template in
/// tokenizer_config.json, there a text or a list of which "default" counts.
/// \throws lorapro::FormatError (none; and as above), lorapro::FileError.
ChatTemplate read_chat_template(const std::filesystem::path& model);

}  // namespace examples::llm
