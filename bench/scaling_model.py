#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Bytes and predicted time of a distributed step at 7B shapes: the table of docs/scaling.md.

  bench/scaling_model.py                          # prints the table
  bench/scaling_model.py --check docs/scaling.md  # fails unless the document has this table

The network is a model with two numbers per message, its latency and its bytes over the bandwidth.
The optimizer's times are measured ones: those of `step/...` in bench/README.md, one thread.
"""
import argparse
import math
import pathlib
import re
import sys

LAYERS = 32
SHAPES = 4 * [(4096, 4096)] + 3 * [(11008, 4096)]  # of a layer: q, k, v, o; gate, up, down
RANKS = (16, 64)  # r
WORLDS = (8, 64, 512)
RULES = {"full": "full moments", "adapter": "adapter"}

# Assumptions, not measurements.
LATENCY = 5e-6  # s per message
BANDWIDTH = 12.5e9  # bytes/s of each rank in each direction: 100 Gbit/s
# As in DistributedConfig.
BUCKET_BYTES = 16 << 20
SCALAR_BYTES = 4


def measured_ms(readme, rule, r):
    """Of one 4096 x 4096 pair, one thread."""
    name = f"step/{rule}/f32/4096x4096/r{r}"
    found = re.search(rf"^\| {re.escape(name)} \| 1 \| ([0-9.]+) \|", readme, re.MULTILINE)
    if found is None:
        sys.exit(f"bench/README.md: expected a row {name} with one thread, got none")
    return float(found.group(1))


def cost(rule, m, n):
    """What the time of a pair is proportional to, at one r."""
    return m * n if rule == "full" else m + n


def greedy_maximum(costs, world):
    """The largest load of assign_owners (adapters/mpi/ownership.hpp)."""
    loads = [0] * world
    for value in sorted(costs, reverse=True):
        loads[loads.index(min(loads))] += value
    return max(loads)


def bucket_sizes(blocks):
    """Bytes of the buckets that GradientBuckets makes of these blocks."""
    sizes, open_size = [], 0
    for block in blocks:
        open_size += block
        if open_size >= BUCKET_BYTES:
            sizes.append(open_size)
            open_size = 0
    return sizes + ([open_size] if open_size else [])


def ring_all_reduce(world, size):
    return 2 * (world - 1) * LATENCY + 2 * (world - 1) / world * size / BANDWIDTH


def halving_all_reduce(world, size):
    """Recursive halving and doubling: as many bytes as a ring in fewer messages."""
    return 2 * math.ceil(math.log2(world)) * LATENCY + 2 * (world - 1) / world * size / BANDWIDTH


def doubling_all_reduce(world, size):
    """Recursive doubling: fewest messages, for little data."""
    return math.ceil(math.log2(world)) * (LATENCY + size / BANDWIDTH)


def ring_all_gather(world, size):
    return (world - 1) * LATENCY + (world - 1) / world * size / BANDWIDTH


def doubling_all_gather(world, size):
    return math.ceil(math.log2(world)) * LATENCY + (world - 1) / world * size / BANDWIDTH


def rows(readme):
    pairs = LAYERS * SHAPES
    for r in RANKS:
        blocks = [(m + n) * r * SCALAR_BYTES for m, n in reversed(pairs)]
        total, exchanged = sum(blocks), 16 * len(pairs)
        for rule, rule_name in RULES.items():
            per_cost = measured_ms(readme, rule, r) / cost(rule, 4096, 4096)
            costs = [cost(rule, m, n) for m, n in pairs]
            state = 8 if rule == "full" else 8 * r  # bytes per unit of cost: two float moments
            for world in WORLDS:
                share = (world - 1) / world
                sent = share * (2 * (total + exchanged) + total)
                ring = sum(ring_all_reduce(world, b) for b in bucket_sizes(blocks))
                tree = sum(halving_all_reduce(world, b) for b in bucket_sizes(blocks))
                largest = greedy_maximum(costs, world)
                optimizer = per_cost * largest
                exchange = 1e3 * doubling_all_reduce(world, exchanged)
                gather = 1e3 * doubling_all_gather(world, total)
                after = optimizer + exchange + gather
                yield (r, rule_name, world, sent / 1e6, state * largest / 1e9,
                       1e3 * ring, 1e3 * tree, optimizer, exchange,
                       1e3 * ring_all_gather(world, total), gather, after,
                       per_cost * sum(costs))


def table(readme):
    lines = ["| r | rule | ranks | MB sent | state, GB | reduce: ring | reduce: halving | "
             "slowest owner | norms | gather: ring | gather: doubling | after backward | "
             "step of one rank |", "|" + 13 * "---|"]
    for r, rule, world, sent, state, *times in rows(readme):
        numbers = " | ".join(f"{t:.2f}" if t < 10 else f"{t:.0f}" for t in times)
        lines.append(f"| {r} | {rule} | {world} | {sent:.0f} | {state:.3g} | {numbers} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", type=pathlib.Path, metavar="DOCUMENT")
    arguments = parser.parse_args()
    readme = (pathlib.Path(__file__).resolve().parent / "README.md").read_text(encoding="utf-8")
    text = table(readme)
    if arguments.check is None:
        print(text, end="")
    elif text not in arguments.check.read_text(encoding="utf-8"):
        sys.exit(f"{arguments.check}: expected this table in it:\n{text}")


if __name__ == "__main__":
    main()
