// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "gnuplot.hpp"

namespace examples {

std::string gnuplot_string(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) literal += c == '\'' ? std::string("''") : std::string(1, c);
  return literal + "'";
}

namespace detail {

std::string run_gnuplot(const std::filesystem::path& script) {
  std::string program = "gnuplot";
  std::string argument = script.string();
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t process = 0;
  if (const int error = posix_spawnp(&process, arguments[0], nullptr, nullptr, arguments, environ);
      error != 0) {
    return error == ENOENT ? "gnuplot is not installed (Debian: apt-get install gnuplot-nox)"
                           : std::strerror(error);
  }
  int status = 0;
  while (waitpid(process, &status, 0) == -1 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "" : "gnuplot has failed";
}

}  // namespace detail

std::string draw_picture(const std::filesystem::path& dir, const std::string& name, int width,
                         int height, const std::string& data, const std::string& commands) {
  const auto svg = dir / (name + ".svg");
  const auto png = dir / (name + ".png");
  const auto part = [](const std::filesystem::path& path) { return path.string() + ".part"; };
  const auto draw = [&](const std::string& terminal, const std::filesystem::path& file) {
    return fmt::format("\nset terminal {} noenhanced\nset output {}\n{}unset output\n", terminal,
                       gnuplot_string(part(file)), commands);
  };
  const auto script = dir / (name + ".gnuplot");
  lorapro::io::write_file(
      script,
      data +
          draw(fmt::format("svg size {},{} dynamic font 'Helvetica,14' background '#ffffff'", width,
                           height),
               svg) +
          draw(fmt::format("pngcairo size {},{} fontscale 1.5 font 'Sans,11'", width * 3 / 2,
                           height * 3 / 2),
               png));
  const std::string problem = detail::run_gnuplot(script);
  if (!problem.empty()) {
    std::filesystem::remove(part(svg));
    std::filesystem::remove(part(png));
    return problem;
  }
  std::filesystem::rename(part(svg), svg);
  std::filesystem::rename(part(png), png);
  return "";
}

}  // namespace examples
