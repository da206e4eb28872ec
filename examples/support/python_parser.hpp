// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/atomic_file.hpp>
#include <array>
#include <cstdio>  // popen
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace examples {

namespace detail {

/// In single quotes, for the shell.
inline std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace detail

/// Which of `programs` Python can parse; they are not run. Nothing if there is no python3.
/// \param scratch  a folder for a file that is passed to Python and removed.
inline std::optional<std::vector<bool>> parsed_by_python(const std::vector<std::string>& programs,
                                                         const std::filesystem::path& scratch) {
  // Prints 1 or 0 for each program.
  static const std::string kScript =
      "import ast, json, sys, warnings\n"
      "warnings.simplefilter('ignore')\n"
      "def parses(text):\n"
      "    try:\n"
      "        ast.parse(text)\n"
      "        return '1'\n"
      "    except (SyntaxError, ValueError, MemoryError, RecursionError):\n"
      "        return '0'\n"
      "print(''.join(parses(text) for text in json.load(open(sys.argv[1]))))\n";
  std::filesystem::create_directories(scratch);
  const auto file = scratch / "completions.json";
  // Latin-1 has all bytes that a byte-level model may write.
  nlohmann::json list = nlohmann::json::array();
  for (const auto& program : programs) {
    std::string utf8;
    for (const char c : program) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80) {
        utf8.push_back(c);
      } else {
        utf8.push_back(static_cast<char>(0xc0 | byte >> 6));
        utf8.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
      }
    }
    list.push_back(utf8);
  }
  lorapro::io::write_file(file, list.dump());
  const std::string command = "python3 -c " + detail::shell_quoted(kScript) + " " +
                              detail::shell_quoted(file.string()) + " 2> /dev/null";
  std::string output;
  if (FILE* const pipe = popen(command.c_str(), "r"); pipe != nullptr) {
    std::array<char, 4096> buffer;
    while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr) {
      output += buffer.data();
    }
    pclose(pipe);
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  if (output.size() != programs.size()) return std::nullopt;
  std::vector<bool> parsed;
  for (const char c : output) parsed.push_back(c == '1');
  return parsed;
}

}  // namespace examples
