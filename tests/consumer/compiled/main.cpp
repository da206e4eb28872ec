// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstring>
#include <exception>

void print_compiled();
void print_header_only();

/// Prints the bits of what is asked for, "compiled" or "header_only": both in one program.
int main(int argc, char** argv) {
  try {
    if (argc == 2 && std::strcmp(argv[1], "compiled") == 0) {
      print_compiled();
    } else {
      print_header_only();
    }
    return 0;
  } catch (const std::exception& error) {
    std::puts(error.what());
    return 1;
  }
}
