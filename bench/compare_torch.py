#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Times PyTorch's own AdamW on the LoRA factors and on the full matrix of the benchmarks' shapes.

Writes a file in Google Benchmark's format, which report_table joins with the others.
`bench/run.sh --torch` calls it. Needs PyTorch (Debian: python3-torch).
"""

import argparse
import json
import re
import statistics
import time

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
REPETITIONS = 3
SECONDS_PER_REPETITION = 0.2


def parameters(*shapes):
    """Parameters of these shapes, with gradients."""
    result = []
    for shape in shapes:
        parameter = torch.nn.Parameter(0.02 * torch.randn(shape))
        parameter.grad = 1e-3 * torch.randn(shape)
        result.append(parameter)
    return result


def measure(name, threads, make_parameters):
    """Milliseconds of AdamW.step(), as entries of Google Benchmark's JSON."""
    torch.set_num_threads(threads)
    optimizer = torch.optim.AdamW(make_parameters(), lr=1e-8)
    for _ in range(3):  # makes the moments, and the allocator's ideas of what to keep
        optimizer.step()
    start = time.perf_counter()
    optimizer.step()
    iterations = max(1, int(SECONDS_PER_REPETITION / (time.perf_counter() - start)))
    entries = []
    for _ in range(REPETITIONS):
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(iterations):
            optimizer.step()
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
    print(f"{name:<44} {threads} {milliseconds:.4g} ms", flush=True)
    return entries


def main():
    """Measures what matches the filter and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="the JSON file to write")
    parser.add_argument("--filter", default=".", help="only names that this expression matches")
    parser.add_argument("--threads", type=int, default=2, help="measure 1 to this many threads")
    arguments = parser.parse_args()
    cases = {}
    for rows, columns, rank in SHAPES:
        weight = f"{rows}x{columns}"
        cases[f"step/torch_dense_adamw/f32/{weight}"] = [(rows, columns)]
        cases[f"step/torch_lora_adamw/f32/{weight}/r{rank}"] = [(rank, columns), (rows, rank)]
    benchmarks = []
    for name, shapes in cases.items():
        if re.search(arguments.filter, name):
            for threads in range(1, arguments.threads + 1):
                benchmarks += measure(name, threads, lambda: parameters(*shapes))
    with open(arguments.output, "w", encoding="utf-8") as file:
        json.dump({"context": {"torch": torch.__version__}, "benchmarks": benchmarks}, file)


if __name__ == "__main__":
    main()
