#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Fetches the campaigns of Battle for Wesnoth (GPL-2+) for `dialogue`: downloads Debian packages
# without installing them, keeps the scenario files and prints checksums.
#
# usage: dialogue.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
. "$(dirname "$0")/common.sh"

part=$cache/dialogue/part
rm -rf "$part"
for campaign in httt did dm dw ei l low nr sof sota sotbe thot tsg ttb utbs; do
  unpack_debian_package "wesnoth-1.16-$campaign" "$part"
  find "$part" -type f ! -name '*.cfg' -delete
done
cd "$cache/dialogue"
rm -rf campaigns
mv part/usr/share/games/wesnoth/1.16/data/campaigns campaigns
rm -rf part
echo "$PWD/campaigns"
