// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/wml_dialogue.hpp"

#include "support/catch.hpp"

namespace {

using examples::Conversation;
using examples::read_conversations;

std::string text_of(const Conversation& conversation) {
  std::string text;
  for (const auto& utterance : conversation) {
    text += utterance.speaker + ": " + utterance.text + "|";
  }
  return text;
}

TEST_CASE("messages in a row are a conversation", "[wml_dialogue]") {
  const auto conversations = read_conversations(R"(
[event]
    name=start # a comment with [message]
    [message]
        speaker=Konrad
        image="portraits/a.png"
        message= _ "Look, there are
            orcs!"
    [/message]
    # a comment
    {MACRO "[message]" 3}
    [message]
        speaker=Delfador
        message=_"He said ""run"" <i>twice</i>."
    [/message]
    [move_unit]
        id=Konrad
    [/move_unit]
    [message]
        speaker=Konrad
        message= _ "female^Alone" + _ " at last"
    [/message]
[/event])");
  REQUIRE(conversations.size() == 2);
  CHECK(text_of(conversations[0]) ==
        "Konrad: Look, there are orcs!|Delfador: He said \"run\" twice.|");
  CHECK(text_of(conversations[1]) == "Konrad: Alone at last|");
}

TEST_CASE("narrators, choices and variables end a conversation", "[wml_dialogue]") {
  const auto message = [](const std::string& speaker, const std::string& text) {
    return "[message]\nspeaker=" + speaker + "\nmessage= _ \"" + text + "\"\n[/message]\n";
  };
  CHECK(read_conversations(message("A", "One.") + message("narrator", "Later.") +
                           message("B", "Two."))
            .size() == 2);
  CHECK(read_conversations(message("A", "One.") + message("B", "$name is here.") +
                           message("A", "Two."))
            .size() == 2);
  const auto choice = read_conversations(
      "[message]\nspeaker=A\nmessage= _ \"Which?\"\n[option]\nmessage= _ \"This\"\n"
      "[command]\n[message]\nspeaker=B\nmessage= _ \"So be it\"\n[/message]\n[/command]\n"
      "[/option]\n[/message]\n" +
      message("C", "Well."));
  REQUIRE(choice.size() == 2);
  CHECK(text_of(choice[0]) == "A: Which?|");
  CHECK(text_of(choice[1]) == "C: Well.|");
}

TEST_CASE("broken scenario files are read as far as they go", "[wml_dialogue]") {
  const std::string good =
      "[message]\nspeaker=A\nmessage= _ \"Hello there\"\n[/message]\n[message]\nspeaker=B\n"
      "message= _ \"And \"\"you\"\"\"\n[/message]\n";
  for (std::size_t size = 0; size <= good.size(); ++size) {
    CHECK(read_conversations(good.substr(0, size)).size() <= 1);
  }
  CHECK(read_conversations(good).size() == 1);
  CHECK(read_conversations("[/message][/a]]]\"").empty());
  CHECK(read_conversations("[message]\nmessage= _ \"nobody\"\n[/message]\n").empty());
  CHECK(read_conversations(std::string("\0\xff[message", 10)).empty());
}

}  // namespace
