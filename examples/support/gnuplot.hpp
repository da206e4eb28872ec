// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/atomic_file.hpp>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>  // std::strerror
#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <string_view>

extern char** environ;

namespace examples {

/// A gnuplot string.
std::string gnuplot_string(std::string_view text);

namespace detail {

/// Runs gnuplot on `script` without a shell, so that no file name needs quoting for one.
/// \return what went wrong; empty if nothing did.
std::string run_gnuplot(const std::filesystem::path& script);

}  // namespace detail

/// Draws DIR/NAME.svg, width x height, and DIR/NAME.png by these commands, which come after the
/// data; the script with both stays in DIR/NAME.gnuplot.
/// \return why there is no picture; empty if there is one.
std::string draw_picture(const std::filesystem::path& dir, const std::string& name, int width,
                         int height, const std::string& data, const std::string& commands);

}  // namespace examples
