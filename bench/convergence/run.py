#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Runs the cells of the comparison that results.jsonl lacks, several at a time.

A finished cell is never run again: stop it whenever you like and start it again."""

from __future__ import annotations

import argparse
import concurrent.futures
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from cells import COMPARISON, Cell, Plan, Results, remaining, wanted

HERE = Path(__file__).resolve().parent


def variant_arguments(plan: Plan, cell: Cell) -> list[str]:
    for contender in plan.contenders([cell.task]):
        if (contender.method, contender.variant) == (cell.method, cell.variant):
            return list(contender.arguments)
    raise KeyError(f"{cell}: not in the plan")


def command_of(plan: Plan, cell: Cell, options: argparse.Namespace, output: Path) -> list[str]:
    task = plan.tasks[cell.task]
    command = [str(options.programs / task["program"]), *task["arguments"],
               *variant_arguments(plan, cell),
               "--methods", cell.method, "--lr", repr(plan.rate_value(cell.rate)),
               "--seeds", "1", "--first-seed", str(cell.seed), "--threads", "1",
               "--output", str(output), "--fresh"]
    if options.cache:
        command += ["--cache", str(options.cache)]
    command.append("--validation" if cell.split == "tuning" else "--measure-steps")
    return command + options.extra


def rounded(curve: list) -> list:
    return [[step, None if value is None else float(f"{value:.5g}")] for step, value in curve]


def result_of(plan: Plan, cell: Cell, output: Path) -> dict:
    """The line of results.jsonl, from what the program has written."""
    written = json.loads((output / "results.json").read_text())
    run = written["runs"][-1]
    line = {"task": cell.task, "method": cell.method, "variant": cell.variant,
            "learning_rate": plan.rate_value(cell.rate), "seed": cell.seed, "split": cell.split,
            "metric": written["metric"], "value": run["value"],
            "higher_is_better": written["higher_is_better"],
            "further_metrics": run["further_metrics"], "final_loss": run["final_loss"],
            "trainable_parameters": run["trainable_parameters"],
            "state_bytes": run["optimizer_state_bytes"],
            "optimizer_ms_per_step": run["optimizer_ms_per_step"], "seconds": run["seconds"],
            "options": run["options"]}
    if cell.split == "report":
        line["curve"] = rounded(run["curve"])
        line["step_curves"] = {name: rounded(curve)
                               for name, curve in run["step_curves"].items()}
    return line


class Runner:
    def __init__(self, plan: Plan, options: argparse.Namespace):
        self.plan = plan
        self.options = options
        self.results = Results(plan, options.results)
        self.file = options.results.open("a")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SystemExit(f"{options.results}: another run is writing to it") from error
        self.children: set[subprocess.Popen] = set()
        self.failed: set[Cell] = set()
        self.finished = 0
        self.start = time.monotonic()
        self.stopped = False

    def wanted(self) -> list[Cell]:
        return wanted(self.plan, self.results, self.options.tasks, self.options.tuning_only)

    def remaining(self) -> int:
        return remaining(self.plan, self.results, self.options.tasks, self.options.tuning_only)

    def run_cell(self, cell: Cell) -> dict | None:
        output = self.options.work / cell.slug
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (output / "log").open("wb") as log:
            child = subprocess.Popen(command_of(self.plan, cell, self.options, output),
                                     stdout=log, stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, env=environment)
            self.children.add(child)
            code = child.wait()
            self.children.discard(child)
        if self.stopped:
            return None
        if code != 0:
            tail = (output / "log").read_text(errors="replace").splitlines()[-3:]
            self.say(f"{cell.slug}: exit code {code}: {' | '.join(tail)}")
            return None
        result = result_of(self.plan, cell, output)
        shutil.rmtree(output)
        return result

    def say(self, text: str) -> None:
        end = "\033[K\n" if sys.stderr.isatty() else "\n"
        print(("\r" if sys.stderr.isatty() else "") + text, end=end, file=sys.stderr, flush=True)

    def show_progress(self, running: list[Cell]) -> None:
        if not sys.stderr.isatty():
            return
        left = self.remaining()
        passed = time.monotonic() - self.start
        eta = f", about {passed / self.finished * left / 60:.0f} min left" if self.finished else ""
        names = ", ".join(f"{c.task} {c.method} {self.plan.rate_value(c.rate):g}" for c in running)
        columns = shutil.get_terminal_size().columns
        text = f"{self.finished} done, {left} to do{eta}: {names}"
        print("\r" + text[: columns - 1] + "\033[K", end="", file=sys.stderr, flush=True)

    def record(self, cell: Cell, result: dict) -> None:
        self.file.write(json.dumps(result) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.results.add(result)
        self.finished += 1
        value = "diverged" if result["value"] is None else f"{result['value']:.4f}"
        name = f"{cell.method} {cell.variant}".strip()
        self.say(f"{cell.task:9} {name:34} lr {self.plan.rate_value(cell.rate):<8g} "
                 f"seed {cell.seed:<3} {cell.split:7} {value:>9} {result['seconds']:6.1f} s")

    def run(self) -> int:
        deadline = time.monotonic() + 60 * self.options.minutes if self.options.minutes else None
        running: dict[concurrent.futures.Future, Cell] = {}
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            try:
                while True:
                    late = deadline is not None and time.monotonic() > deadline
                    busy = set(running.values())
                    ready = [] if late else [
                        cell for cell in self.wanted()
                        if cell not in busy and cell not in self.failed]
                    for cell in ready[: self.options.jobs - len(running)]:
                        running[pool.submit(self.run_cell, cell)] = cell
                    if not running:
                        break
                    self.show_progress(list(running.values()))
                    done, _ = concurrent.futures.wait(
                        running, timeout=1, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        cell = running.pop(future)
                        result = future.result()
                        if result is None:
                            self.failed.add(cell)
                        else:
                            self.record(cell, result)
            except KeyboardInterrupt:
                self.stopped = True
                for child in list(self.children):
                    child.terminate()
                self.say("stopped; finished cells are kept")
                return 130
        left = self.remaining()
        self.say(f"{self.finished} cells run, {len(self.failed)} failed, "
                 + (f"{left} to do" if left else "all done"))
        return 1 if self.failed else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True,
                        help="folder of the built example programs")
    parser.add_argument("--cache", type=Path, help="folder with data and pretrained weights")
    parser.add_argument("--plan", type=Path, default=HERE / "plan.json")
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--work", type=Path, default=Path("convergence_work"),
                        help="folder for the programs' own output")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="processes at a time, of one thread each")
    parser.add_argument("--tasks", type=lambda text: text.split(","), help="only these, A,B,...")
    parser.add_argument("--tuning-only", action="store_true",
                        help="search learning rates and options; leave the test data alone")
    parser.add_argument("--minutes", type=float, help="begin no cell after this time")
    parser.add_argument("--list", action="store_true", help="print what would be run next")
    parser.add_argument("extra", nargs="*", help="after --: further options of the programs")
    options = parser.parse_args(arguments)
    plan = Plan(options.plan)
    for task in options.tasks or []:
        if task not in plan.tasks:
            parser.error(f"--tasks: there is no task {task}; known are {', '.join(plan.tasks)}")
    if options.jobs < 1:
        parser.error(f"--jobs: expected a number >= 1, got {options.jobs}")
    for task in options.tasks or plan.tasks:
        program = options.programs / plan.tasks[task]["program"]
        if not os.access(program, os.X_OK):
            parser.error(f"--programs: {program} is not there or cannot be run")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    plan = Plan(options.plan)
    if options.list:
        for cell in wanted(plan, Results(plan, options.results), options.tasks,
                           options.tuning_only):
            variant = f" ({cell.variant})" if cell.variant != COMPARISON else ""
            print(cell.task, f"{cell.method}{variant}", plan.rate_value(cell.rate), cell.seed,
                  cell.split)
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return Runner(plan, options).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
