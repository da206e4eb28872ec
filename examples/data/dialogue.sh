#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Fetches the campaigns of Battle for Wesnoth (GPL-2+) for `dialogue`: downloads Debian packages
# without installing them, keeps the scenario files and prints checksums.
#
# usage: dialogue.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
set -eu

if [ $# -gt 0 ]; then
  cache=$1
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/lorapro
else
  cache=${HOME:?is not set: name a folder}/.cache/lorapro
fi

for tool in apt-get dpkg; do
  if ! command -v $tool > /dev/null; then
    echo "dialogue.sh: $tool is missing: the data are in Debian packages" >&2
    exit 1
  fi
done

mkdir -p "$cache/dialogue"
cd "$cache/dialogue"
rm -rf part
mkdir part
cd part
for campaign in httt did dm dw ei l low nr sof sota sotbe thot tsg ttb utbs; do
  package=wesnoth-1.16-$campaign
  if ! apt-get download -q "$package"; then
    echo "dialogue.sh: apt-get cannot download $package: try apt-get update first" >&2
    exit 1
  fi
  sha256sum "$package"_*.deb
  dpkg -x "$package"_*.deb files
  rm "$package"_*.deb
  find files -type f ! -name '*.cfg' -delete
done
cd ..
rm -rf campaigns
mv part/files/usr/share/games/wesnoth/1.16/data/campaigns campaigns
rm -rf part
echo "$PWD/campaigns"
