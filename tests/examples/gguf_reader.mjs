// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Reads an exported GGUF adapter with @huggingface/gguf, multiplies it out as llama.cpp does, and
// compares it with s B A of the PEFT directory that it came from.
// NODE_PATH is not searched for modules of this kind, hence the folder of node_modules.
//   node gguf_reader.mjs NODE_MODULES ADAPTER.gguf PEFT_DIRECTORY BASE_CONFIG.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [modules, file, directory, baseConfig] = process.argv.slice(2);
const { gguf } = createRequire(resolve(modules, "x.js"))("@huggingface/gguf");

const product = (B, A, scale) =>
  B.map((row) => A[0].map((_, j) => scale * row.reduce((sum, b, k) => sum + b * A[k][j], 0)));

const matrix = (bytes, offset, rows, cols) =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: cols }, (_, j) => bytes.readFloatLE(offset + 4 * (i * cols + j)))
  );

const weights = readFileSync(join(directory, "adapter_model.safetensors"));
const length = Number(weights.readBigUInt64LE(0));
const header = JSON.parse(weights.subarray(8, 8 + length).toString());
const factor = (name) => {
  const { shape, data_offsets } = header[`base_model.model.${name}.weight`];
  return matrix(weights, 8 + length + data_offsets[0], ...shape);
};
const config = JSON.parse(readFileSync(join(directory, "adapter_config.json")));
const base = JSON.parse(readFileSync(baseConfig));

const bytes = readFileSync(file);
const { metadata, tensorInfos, tensorDataOffset } = await gguf(file, { allowLocalFile: true });
for (const [key, value] of [["general.architecture", "llama"], ["general.type", "adapter"],
                            ["adapter.type", "lora"]])
  if (metadata[key] !== value) throw new Error(`${key}: expected ${value}, got ${metadata[key]}`);
const tensor = (name) => {
  const info = tensorInfos.find((candidate) => candidate.name === name);
  if (info === undefined || info.dtype !== 0) throw new Error(`${name}: expected F32 in the file`);
  const [cols, rows] = info.shape.map(Number);
  return matrix(bytes, Number(tensorDataOffset) + Number(info.offset), rows, cols);
};

const names = { "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
                "mlp.down_proj": "ffn_down" };
const heads = { attn_q: base.num_attention_heads, attn_k: base.num_key_value_heads };
if (tensorInfos.length !== 2 * Object.keys(names).length)
  throw new Error(`expected 6 tensors, got ${tensorInfos.length}`);
for (const [module, name] of Object.entries(names)) {
  const path = `model.layers.0.${module}`;
  const B = factor(`${path}.lora_B`);
  const rank = B[0].length;
  const expected = product(B, factor(`${path}.lora_A`), config.lora_alpha / Math.sqrt(rank));
  const b = tensor(`blk.0.${name}.weight.lora_b`);
  const came = product(b, tensor(`blk.0.${name}.weight.lora_a`),
                       metadata["adapter.lora.alpha"] / b[0].length);
  const half = heads[name] === undefined ? 0 : came.length / heads[name] / 2;
  expected.forEach((_, row) => {
    const within = half === 0 ? 0 : row % (2 * half);
    const source = half === 0 ? row : row - within + 2 * (within % half) + Math.floor(within / half);
    expected[row].forEach((value, j) => {
      if (Math.abs(came[source][j] - value) > 1e-5)
        throw new Error(`${path}: expected ${value} at ${row}, ${j}, got ${came[source][j]}`);
    });
  });
}
console.log("3 modules as in the directory");
