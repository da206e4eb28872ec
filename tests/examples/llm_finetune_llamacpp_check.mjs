// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Has llama.cpp read a model with an adapter that llm_finetune wrote, and foretell a text: its mean
// cross-entropy per token is to be that of `llm_finetune --test`, to 1e-4. Through node-llama-cpp,
// on a CPU, with a cache in float: the one in 16 bits differs by some 1e-3.
//   node llm_finetune_llamacpp_check.mjs NODE_MODULES MODEL.gguf ADAPTER.gguf|none TEXT.txt CROSS_ENTROPY
import fs from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [modules, modelPath, adapter, textPath, expected] = process.argv.slice(2);
const require = createRequire(pathToFileURL(path.resolve(modules, "x.js")));
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")));

const llama = await getLlama({build: "never", gpu: false, logLevel: "error", maxThreads: 1,
                              skipDownload: true, progressLogs: false});
const model = await llama.loadModel({modelPath: path.resolve(modelPath), gpuLayers: 0});
const ids = [model.tokens.bos, ...model.tokenize(fs.readFileSync(textPath, "utf8"))];
const context = await model.createContext({
  contextSize: Math.max(256, ids.length + 8),
  threads: 1,
  lora: adapter === "none" ? undefined
                           : {adapters: [{filePath: path.resolve(adapter), scale: 1}]},
  flashAttention: false,
  experimentalKvCacheKeyType: "F32",
  experimentalKvCacheValueType: "F32",
});
const asked = ids.slice(0, -1).map(
    (id) => [id, {generateNext: {probabilities: true, options: {temperature: 0}}}]);
const outcomes = await context.getSequence().controlledEvaluate(asked);
let sum = 0;
outcomes.forEach((outcome, i) => { sum -= Math.log(outcome.next.probabilities.get(ids[i + 1])); });
const mean = sum / outcomes.length;
await llama.dispose();

const difference = Math.abs(mean - Number(expected));
console.log(`llama.cpp: ${mean.toFixed(6)}, llm_finetune: ${expected}, of ${outcomes.length} tokens`);
if (!(difference <= 1e-4)) {
  console.error(`llm_finetune_llamacpp_check.mjs: expected a difference of at most 1e-4, got ${difference}`);
  process.exit(1);
}
