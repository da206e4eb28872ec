#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Fetches the Python standard library (PSF licence) for `code_generation`: downloads a Debian
# package without installing it, keeps the Python files and prints checksums.
#
# usage: code.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
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
    echo "code.sh: $tool is missing: the data are in a Debian package" >&2
    exit 1
  fi
done

package=libpython3.11-stdlib
mkdir -p "$cache/code"
cd "$cache/code"
rm -rf part
mkdir part
cd part
if ! apt-get download -q $package; then
  echo "code.sh: apt-get cannot download $package: try apt-get update first" >&2
  exit 1
fi
sha256sum ${package}_*.deb
dpkg -x ${package}_*.deb files
find files -type f ! -name '*.py' -delete
cd ..
rm -rf python3.11
mv part/files/usr/lib/python3.11 python3.11
rm -rf part
echo "$PWD/python3.11"
