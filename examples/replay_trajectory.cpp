// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Replays reference trajectories with the library and prints how far it strays from each: anyone
// can check the library against another implementation that writes the same files.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "support/trajectory.hpp"

int main(int argc, char** argv) {
  CLI::App app{
      "Replays reference trajectories of LoRA-Pro and prints, for each file, its name and the\n"
      "deviation from it: the largest relative deviation of the moves of A and B over the steps."};
  std::string scalar = "double";
  std::vector<std::string> files;
  app.add_option("--scalar", scalar, "Scalar that the library computes in")
      ->check(CLI::IsMember({"float", "double"}))
      ->capture_default_str();
  app.add_option("FILE", files, "Trajectories (safetensors; tests/golden/README.md has the format)")
      ->required();
  CLI11_PARSE(app, argc, argv);

  int status = 0;
  for (const std::string& path : files) {
    try {
      const example::Trajectory reference(path);
      const double deviation = scalar == "float" ? example::replay_mode<float>(reference)
                                                 : example::replay_mode<double>(reference);
      std::printf("%s %.3e\n", std::filesystem::path(path).filename().c_str(), deviation);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "replay_trajectory: %s\n", error.what());
      status = 1;
    }
  }
  return status;
}
