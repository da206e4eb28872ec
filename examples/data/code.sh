#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Fetches the Python standard library (PSF licence) for `code_generation`: downloads a Debian
# package without installing it, keeps the Python files and prints checksums.
#
# usage: code.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
. "$(dirname "$0")/common.sh"

rm -rf "$cache/code/part"
unpack_debian_package libpython3.11-stdlib "$cache/code/part"
cd "$cache/code"
find part -type f ! -name '*.py' -delete
rm -rf python3.11
mv part/usr/lib/python3.11 python3.11
rm -rf part
echo "$PWD/python3.11"
