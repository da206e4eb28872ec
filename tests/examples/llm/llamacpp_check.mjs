// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Runs a GGUF model, with an adapter or without, in llama.cpp and compares it with a reference.
//   npm install --ignore-scripts --omit=optional node-llama-cpp@3.21.1
//   npm install --ignore-scripts --omit=optional @node-llama-cpp/linux-x64@3.21.1
//   node llamacpp_check.mjs NODE_MODULES MODEL.gguf REFERENCE.json [ADAPTER.gguf [SCALE]]
// Of the reference each is optional: prompt and prompt_ids (the first BOS), top10_ids, top10_logits
// and log_sum_exp behind the prompt, greedy_after_prompt_64; text_ids and cross_entropy_each, of each
// id given those before it. Exits with 77 where node-llama-cpp is not installed.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const kTolerance = 1e-4;  // of log probabilities

const [modules, modelPath, referencePath, adapter, scale = "1"] = process.argv.slice(2);
if (!existsSync(join(modules, "node-llama-cpp"))) {
  console.log(`${modules} has no package node-llama-cpp`);
  process.exit(77);
}
const entry = createRequire(resolve(modules, "x.js")).resolve("node-llama-cpp");
const { getLlama } = await import(pathToFileURL(entry));
const reference = JSON.parse(readFileSync(referencePath));

const llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: 1,
  skipDownload: true, progressLogs: false });
const model = await llama.loadModel({ modelPath: resolve(modelPath), gpuLayers: 0 });
// A cache in half precision would move log probabilities by 5e-3.
const contextSize = Math.max(256, (reference.text_ids ?? []).length,
  (reference.prompt_ids ?? []).length + (reference.greedy_after_prompt_64 ?? []).length);
const context = await model.createContext({ contextSize, threads: 1, flashAttention: false,
  experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
  lora: adapter && { adapters: [{ filePath: resolve(adapter), scale: Number(scale) }] } });
const sequence = context.getSequence();

let failures = 0;
const report = (what, passed) => {
  console.log(`${passed ? "ok" : "FAILED"}: ${what}`);
  if (!passed) ++failures;
};
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/// What llama.cpp has for the token behind each of `ids` from `first` on.
const distributions = async (ids, first) => {
  await sequence.clearHistory();
  const asked = { generateNext: { probabilities: true, options: { temperature: 0 } } };
  const out = await sequence.controlledEvaluate(ids.map((id, k) => k < first ? id : [id, asked]));
  return out.slice(first).map((one) => one.next.probabilities);
};
const reportWorst = (what, differences) => {
  const worst = differences.reduce((most, d) => Math.max(most, Number.isFinite(d) ? d : Infinity), 0);
  report(`${what} differ by at most ${worst.toExponential(1)}`, worst <= kTolerance);
};

if (reference.prompt !== undefined) {
  const ids = [Number(model.tokens.bos), ...model.tokenize(reference.prompt).map(Number)];
  report("ids of the prompt", same(ids, reference.prompt_ids));
}
if (reference.top10_ids !== undefined) {
  const prompt = reference.prompt_ids;
  const [last] = await distributions(prompt, prompt.length - 1);
  reportWorst("the best log probabilities", reference.top10_ids.map((id, k) =>
    Math.abs(Math.log(last.get(id)) - (reference.top10_logits[k] - reference.log_sum_exp))));
}
if (reference.text_ids !== undefined) {
  const ids = reference.text_ids, expected = reference.cross_entropy_each;
  const found = await distributions(ids.slice(0, expected.length), 0);
  reportWorst(`${expected.length} cross-entropies`, expected.map((value, k) =>
    Math.abs(-Math.log(found[k].get(ids[k + 1])) - value)));
}
if (reference.greedy_after_prompt_64 !== undefined) {
  const expected = reference.greedy_after_prompt_64, ids = [];
  await sequence.clearHistory();
  for await (const id of sequence.evaluate(reference.prompt_ids, { temperature: 0 })) {
    ids.push(Number(id));
    if (ids.length === expected.length) break;
  }
  report(`${expected.length} greedy tokens`, same(ids, expected));
}
await llama.dispose();
process.exit(failures === 0 ? 0 : 1);
