#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Unpacks WordNet 3.0 (Debian package `wordnet-base`) into the cache of `language_understanding`
# and prints the checksums of the files that the program reads. Nothing is installed.
#
# usage: wordnet.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
set -eu

if [ $# -gt 0 ]; then
  cache=$1
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/lorapro
else
  cache=${HOME:?is not set: name a folder}/.cache/lorapro
fi

for tool in apt-get dpkg; do
  if ! command -v "$tool" > /dev/null; then
    echo "wordnet.sh: $tool is missing: unpack data.noun and data.verb of WordNet 3.0 into" \
      "$cache/wordnet/usr/share/wordnet yourself" >&2
    exit 1
  fi
done

mkdir -p "$cache/wordnet"
cache=$(cd "$cache" && pwd)
download=$(mktemp -d "$cache/wordnet/download.XXXXXX")
trap 'rm -rf "$download"' EXIT
cd "$download"
# apt-get drops root's rights for downloads, which then could not write here; the option keeps them.
if ! apt-get -o APT::Sandbox::User=root download wordnet-base; then
  echo "wordnet.sh: the package wordnet-base was not found: run apt-get update first" >&2
  exit 1
fi
dpkg -x wordnet-base_*.deb "$cache/wordnet"
cd "$cache/wordnet/usr/share/wordnet"
pwd
sha256sum data.noun data.verb
