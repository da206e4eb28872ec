#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Installs what is missing, builds the main example and runs it: all arguments go to it.
# ./examples/quickstart.sh --help lists them.
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

require_build_tools
require_examples
require_data
install_missing
build release image_classification
exec "$root/build/release/examples/image_classification" "$@"
