// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// The main function of all tests, compiled once: Catch's own, and
//   test_linalg --write-ctest FILE PREFIX LABEL -- COMMAND...
// writes what CTest reads: a test PREFIX<path>/<test case> for each test case that is not
// hidden, run by COMMAND. One with the tag [may_skip] is skipped if it prints "skipped: ".
// With the label adapters those of one file are one test PREFIX<path>: libtorch takes two seconds
// to load.
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

/// "linalg/gram" for ".../tests/linalg/gram_test.cpp".
std::string file_name(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  const std::string root = "tests/";
  const auto found = path.rfind(root);
  std::string name = found == std::string::npos ? path : path.substr(found + root.size());
  const std::string ending = "_test.cpp";
  if (name.size() > ending.size() &&
      name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
    name.erase(name.size() - ending.size());
  }
  return name;
}

/// What Catch's parser of test names takes for itself, with a backslash before it.
std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (std::strchr(",[]", c) != nullptr) text += '\\';
    text += c;
  }
  return text;
}

std::string quoted(const std::string& text) { return "[==[" + text + "]==]"; }

struct CtestEntry {
  std::string title, cases;
  bool may_skip = false;
};

std::vector<CtestEntry> ctest_entries(const Catch::IConfig& config, const std::string& prefix,
                                      bool by_file) {
  std::vector<CtestEntry> entries;
  for (const auto& test : Catch::getAllTestCasesSorted(config)) {
#if CATCH_VERSION_MAJOR >= 3
    const auto& info = test.getTestCaseInfo();
#else
    const auto& info = test;
#endif
    if (info.isHidden()) continue;
    const std::string name(info.name.begin(), info.name.end());
    CtestEntry entry{prefix + file_name(info.lineInfo.file), escaped(name),
                     info.tagsAsString().find("[may_skip]") != std::string::npos};
    if (!by_file) entry.title += '/' + name;
    const auto same = std::find_if(entries.begin(), entries.end(), [&](const CtestEntry& other) {
      return by_file && other.title == entry.title;
    });
    if (same == entries.end()) {
      entries.push_back(entry);
    } else {
      same->cases += ',' + entry.cases;
      same->may_skip = same->may_skip && entry.may_skip;
    }
  }
  return entries;
}

int write_ctest(const Catch::IConfig& config, int argc, char* argv[]) {
  if (argc < 7 || std::strcmp(argv[5], "--") != 0) {
    std::cerr << "usage: --write-ctest FILE PREFIX LABEL -- COMMAND...\n";
    return 1;
  }
  std::string command;
  for (int i = 6; i < argc; ++i) command += ' ' + quoted(argv[i]);
  std::ofstream file(argv[2]);
  const std::string label = argv[4];
  const std::vector<CtestEntry> entries = ctest_entries(config, argv[3], label == "adapters");
  for (const CtestEntry& entry : entries) {
    const std::string title = quoted(entry.title);
    file << "add_test(" << title << command << ' ' << quoted(entry.cases) << ")\n"
         << "set_tests_properties(" << title << " PROPERTIES LABELS " << label << " TIMEOUT 300";
    if (entry.may_skip) file << " SKIP_REGULAR_EXPRESSION [==[skipped: ]==]";
    file << ")\n";
  }
  file.close();
  return !entries.empty() && file ? 0 : 1;
}

}  // namespace

int main(int argc, char* argv[]) {
  Catch::Session session;
  if (argc > 1 && std::strcmp(argv[1], "--write-ctest") == 0)
    return write_ctest(session.config(), argc, argv);
  return session.run(argc, argv);
}
