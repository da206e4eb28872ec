// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Replays reference trajectories, and cases of starts and of DoRA, with the library and prints how far
// it strays from each: anyone can check the library against another implementation that writes the
// same files.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "support/replay_case.hpp"
#include "support/trajectory.hpp"

namespace {

template <typename Scalar>
double deviation(const std::string& path) {
  if (example::ReferenceCase::is_case(example::SafetensorsReader(path)))
    return example::replay_case<Scalar>(example::ReferenceCase(path));
  return example::replay_mode<Scalar>(example::Trajectory(path));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Replays reference trajectories of LoRA-Pro and of other rules, and cases of starts of A\n"
      "and B and of DoRA. Prints, for each file, its name and the deviation from it: the largest\n"
      "relative one of the moves of A and B over the steps, or of what a case gives."};
  std::string scalar = "double";
  std::vector<std::string> files;
  app.add_option("--scalar", scalar, "Scalar that the library computes in")
      ->check(CLI::IsMember({"float", "double"}))
      ->capture_default_str();
  app.add_option("FILE", files,
                 "Trajectories and cases (safetensors; tests/golden/README.md has the format)")
      ->required();
  CLI11_PARSE(app, argc, argv);

  int status = 0;
  for (const std::string& path : files) {
    try {
      std::printf("%s %.3e\n", std::filesystem::path(path).filename().c_str(),
                  scalar == "float" ? deviation<float>(path) : deviation<double>(path));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "replay_trajectory: %s\n", error.what());
      status = 1;
    }
  }
  return status;
}
