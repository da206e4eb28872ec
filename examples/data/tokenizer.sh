#!/bin/sh
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Makes the tokenizer that `pretrain_llama` takes, 1,024 pieces of the text that text.sh has fetched,
# by spm_train (Debian: sentencepiece), and prints its checksum.
#
# usage: tokenizer.sh [CACHE]   CACHE: as in the program's --cache, which has the same default
. "$(dirname "$0")/common.sh"

command -v spm_train > /dev/null ||
  fail "spm_train is missing: install it first (Debian: apt-get install sentencepiece)"
[ -d "$cache/text/sotu" ] || fail "$cache/text: expected the text that text.sh fetches, got none"
# The name of its input is in the model.
cd "$cache/text"
awk 1 sotu/*.txt moby-dick/chapter_*.txt > text.txt
spm_train --input=text.txt --model_prefix=tokenizer --model_type=bpe --vocab_size=1024 \
  --byte_fallback --character_coverage=0.9995 --normalization_rule_name=identity \
  --remove_extra_whitespaces=false --split_digits --max_sentence_length=100000000 \
  --num_threads=1 --minloglevel=1
rm tokenizer.vocab text.txt
sha256sum tokenizer.model
