#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Times PyTorch at what the benchmarks time: its AdamW on the LoRA factors and on the full matrix,
and a forward and backward pass of a Llama block with adapters, written with its own modules.

Writes a file in Google Benchmark's format, which report_table joins with the others.
`bench/run.sh --torch` calls it. Needs PyTorch (Debian: python3-torch), and a fast BLAS under it
(libopenblas0-pthread): with the reference BLAS the comparison would say nothing.
"""

import argparse
import ctypes
import json
import math
import os
import re
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import torch

SHAPES = [
    (768, 768, 8),
    (768, 3072, 16),
    (2048, 2048, 16),
    (4096, 4096, 8),
    (4096, 4096, 16),
    (4096, 4096, 64),
    (4096, 11008, 16),
]
# Hidden and intermediate size, heads, key-value heads, head size, tokens: bench_llama_block.cpp's.
LLAMA_BLOCKS = [
    (576, 1536, 9, 3, 64, 1024),
    (896, 4864, 14, 2, 64, 1024),
    (2048, 8192, 32, 8, 64, 1024),
]
LLAMA_RANK = 16
REPETITIONS = 3
SECONDS_PER_REPETITION = 0.2


def loaded_openblas():
    """The BLAS under PyTorch, if it is OpenBLAS."""
    try:
        return ctypes.CDLL("libopenblas.so.0")
    except OSError:
        return None


OPENBLAS = loaded_openblas()


def parameters(*shapes):
    """Parameters of these shapes, with gradients."""
    result = []
    for shape in shapes:
        parameter = torch.nn.Parameter(0.02 * torch.randn(shape))
        parameter.grad = 1e-3 * torch.randn(shape)
        result.append(parameter)
    return result


class LoraLinear(torch.nn.Module):
    """A frozen linear layer and its adapter; alpha is the rank, as in bench_llama_block.cpp."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.base = torch.nn.Linear(in_features, out_features, bias=False).requires_grad_(False)
        self.lora_A = torch.nn.Linear(in_features, LLAMA_RANK, bias=False)
        self.lora_B = torch.nn.Linear(LLAMA_RANK, out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.lora_B(self.lora_A(x))


class RmsNorm(torch.nn.Module):
    """x / rms(x) times a frozen gain."""

    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(size), requires_grad=False)

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


class LlamaBlock(torch.nn.Module):
    """One layer of Llama for one sequence, causal attention by products and a softmax."""

    def __init__(self, hidden, intermediate, heads, kv_heads, head_dim, tokens):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.norm1, self.norm2 = RmsNorm(hidden), RmsNorm(hidden)
        self.q_proj = LoraLinear(hidden, heads * head_dim)
        self.k_proj = LoraLinear(hidden, kv_heads * head_dim)
        self.v_proj = LoraLinear(hidden, kv_heads * head_dim)
        self.o_proj = LoraLinear(heads * head_dim, hidden)
        self.gate_proj = LoraLinear(hidden, intermediate)
        self.up_proj = LoraLinear(hidden, intermediate)
        self.down_proj = LoraLinear(intermediate, hidden)
        frequencies = 10000.0 ** (-torch.arange(0, head_dim, 2) / head_dim)
        angles = torch.outer(torch.arange(tokens), frequencies).repeat(1, 2)
        self.cos, self.sin = angles.cos(), angles.sin()
        self.mask = torch.full((tokens, tokens), -math.inf).triu(1)

    def rotated(self, x):
        """RoPE on (heads, tokens, head_dim)."""
        low, high = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat((-high, low), dim=-1) * self.sin

    def split(self, x, heads):
        """From (tokens, heads head_dim) to (heads, tokens, head_dim)."""
        return x.view(x.shape[0], heads, self.head_dim).transpose(0, 1)

    def attention(self, x):
        """The mixed values of all heads, (tokens, heads head_dim)."""
        group = self.heads // self.kv_heads
        q = self.rotated(self.split(self.q_proj(x), self.heads))
        k = self.rotated(self.split(self.k_proj(x), self.kv_heads))
        v = self.split(self.v_proj(x), self.kv_heads)
        k, v = (each.repeat_interleave(group, dim=0) for each in (k, v))
        scores = q @ k.transpose(1, 2) / math.sqrt(self.head_dim) + self.mask
        return (scores.softmax(-1) @ v).transpose(0, 1).reshape(x.shape[0], -1)

    def forward(self, x):
        x = x + self.o_proj(self.attention(self.norm1(x)))
        y = self.norm2(x)
        gated = torch.nn.functional.silu(self.gate_proj(y)) * self.up_proj(y)
        return x + self.down_proj(gated)


def adamw_step(*shapes):
    """A step of AdamW on parameters of these shapes."""
    return torch.optim.AdamW(parameters(*shapes), lr=1e-8).step


def block_pass(*shape):
    """A forward and a backward pass of a block, to its adapters and its input."""
    hidden, tokens = shape[0], shape[-1]
    block = LlamaBlock(*shape)
    x = torch.randn(tokens, hidden, requires_grad=True)
    grad = 1e-3 * torch.randn(tokens, hidden)

    def run():
        block.zero_grad(set_to_none=True)
        x.grad = None
        block(x).backward(grad)

    return run


def measure(name, threads, make_step):
    """Milliseconds of a step, as entries of Google Benchmark's JSON."""
    torch.set_num_threads(threads)
    if OPENBLAS is not None:  # which has threads of its own
        OPENBLAS.openblas_set_num_threads(threads)
    step = make_step()
    for _ in range(3):  # makes the moments, and the allocator's ideas of what to keep
        step()
    start = time.perf_counter()
    step()
    iterations = max(1, int(SECONDS_PER_REPETITION / (time.perf_counter() - start)))
    entries = []
    for _ in range(REPETITIONS):
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(iterations):
            step()
        entries.append(
            {
                "run_name": name + ("" if threads == 1 else f"/threads{threads}/real_time"),
                "run_type": "iteration",
                "iterations": iterations,
                "real_time": 1e3 * (time.perf_counter() - wall) / iterations,
                "cpu_time": 1e3 * (time.process_time() - processor) / iterations,
                "time_unit": "ms",
            }
        )
    milliseconds = statistics.median(entry["real_time"] for entry in entries)
    print(f"{name:<60} {threads} {milliseconds:.4g} ms", flush=True)
    return entries


def name_the_processor():
    """Starts anew where OpenBLAS falls back to the kernels of 2004, as for processors that are newer
    than it is, although it has kernels for the instruction set."""
    if OPENBLAS is None or "OPENBLAS_CORETYPE" in os.environ:
        return
    OPENBLAS.openblas_get_corename.restype = ctypes.c_char_p
    if OPENBLAS.openblas_get_corename() != b"Prescott":
        return
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    cores = {"avx512_bf16": "COOPERLAKE", "avx512vl": "SKYLAKEX", "avx2": "HASWELL"}
    for flag, core in cores.items():
        if flag in flags:
            os.environ["OPENBLAS_CORETYPE"] = core
            os.execv(sys.executable, [sys.executable, *sys.argv])


def main():
    """Measures what matches the filter and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="the JSON file to write")
    parser.add_argument("--filter", default=".", help="only names that this expression matches")
    parser.add_argument("--threads", type=int, default=2, help="measure 1 to this many threads")
    arguments = parser.parse_args()
    name_the_processor()
    cases = {}
    for rows, columns, rank in SHAPES:
        weight = f"{rows}x{columns}"
        dense, factors = [(rows, columns)], [(rank, columns), (rows, rank)]
        cases[f"step/torch_dense_adamw/f32/{weight}"] = partial(adamw_step, *dense)
        cases[f"step/torch_lora_adamw/f32/{weight}/r{rank}"] = partial(adamw_step, *factors)
    for block in LLAMA_BLOCKS:
        name = f"{block[0]}x{block[1]}/{block[-1]}tokens/r{LLAMA_RANK}"
        cases[f"training/torch_llama_block/f32/{name}"] = partial(block_pass, *block)
    benchmarks = []
    for name, make_step in cases.items():
        if re.search(arguments.filter, name):
            for threads in range(1, arguments.threads + 1):
                benchmarks += measure(name, threads, make_step)
    with open(arguments.output, "w", encoding="utf-8") as file:
        json.dump({"context": {"torch": torch.__version__}, "benchmarks": benchmarks}, file)


if __name__ == "__main__":
    main()
