# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# The target `docs` writes docs/html in the build tree and fails on any warning.
find_package(Doxygen 1.9.4 REQUIRED)
configure_file(docs/Doxyfile.in docs/Doxyfile @ONLY)
add_custom_target(
  docs
  COMMAND Doxygen::doxygen ${PROJECT_BINARY_DIR}/docs/Doxyfile
  COMMENT "Writing ${PROJECT_BINARY_DIR}/docs/html"
  VERBATIM)
