# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by the scripts beside it, each of which takes a cache folder as its only argument.
set -eu

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# The folder of the programs' --cache, which has the same default.
if [ $# -gt 0 ]; then
  cache=$1
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/lorapro
else
  cache=${HOME:?is not set: name a folder}/.cache/lorapro
fi
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

need_npm() {
  command -v npm > /dev/null || fail "npm is missing: install it first (Debian: apt-get install npm)"
}

# install_npm_package PACKAGE FOLDER: the exact version, and none of its scripts.
install_npm_package() {
  need_npm
  mkdir -p "$2"
  npm install -E --prefix "$2" --ignore-scripts --no-audit --no-fund "$1"
}

# unpack_debian_package PACKAGE FOLDER: downloads it without installing it, prints its checksum.
unpack_debian_package() {
  for tool in apt-get dpkg; do
    command -v $tool > /dev/null || fail "$tool is missing: the data are in the Debian package $1"
  done
  mkdir -p "$2"
  download=$(mktemp -d "$cache/download.XXXXXX")
  trap 'rm -rf "$download"' EXIT
  # apt-get drops root's rights for downloads, which then could not write here; the option keeps them.
  (cd "$download" && apt-get -q -o APT::Sandbox::User=root download "$1" && sha256sum "$1"_*.deb) ||
    fail "apt-get cannot download $1: try apt-get update first"
  dpkg -x "$download/$1"_*.deb "$2"
  rm -rf "$download"
}
