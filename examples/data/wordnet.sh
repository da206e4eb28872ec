#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Unpacks WordNet 3.0 (Debian package `wordnet-base`) into the cache of `language_understanding`
# and prints the checksums of the files that the program reads. Nothing is installed.
#
# usage: wordnet.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
. "$(dirname "$0")/common.sh"

unpack_debian_package wordnet-base "$cache/wordnet"
cd "$cache/wordnet/usr/share/wordnet"
pwd
sha256sum data.noun data.verb
