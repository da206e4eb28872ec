#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Runs the cells of the comparison that results.jsonl lacks, or of a view of it, several at a time.

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
from typing import Union

from cells import COMPARISON, Cell, Plan, Results, remaining, wanted
from robustness import View, ViewCell, ViewResults, cell_arguments, line_of

HERE = Path(__file__).resolve().parent
AnyCell = Union[Cell, ViewCell]


def variant_arguments(plan: Plan, cell: Cell) -> list[str]:
    for contender in plan.contenders([cell.task]):
        if (contender.method, contender.variant) == (cell.method, cell.variant):
            return list(contender.arguments)
    raise KeyError(f"{cell}: not in the plan")


def command_of(work: Work, cell: AnyCell, options: argparse.Namespace, output: Path) -> list[str]:
    command = [str(options.programs / work.plan.tasks[cell.task]["program"]),
               *work.arguments(cell),
               "--methods", cell.method, "--lr", repr(work.rate(cell)),
               "--seeds", "1", "--first-seed", str(cell.seed), "--threads", "1",
               "--output", str(output), "--fresh"]
    if options.cache:
        command += ["--cache", str(options.cache)]
    return command + options.extra


def rounded(curve: list) -> list:
    return [[step, None if value is None else float(f"{value:.5g}")] for step, value in curve]


def result_of(plan: Plan, cell: Cell, written: dict) -> dict:
    """The line of results.jsonl, from what the program has written."""
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


class Comparison:
    """The work of results.jsonl: searches, the report and studies."""

    def __init__(self, plan: Plan, options: argparse.Namespace):
        self.plan, self.path = plan, options.results
        self.results = Results(plan, self.path)
        self.only = (options.tasks, options.methods, options.tuning_only)

    def wanted(self) -> list[Cell]:
        return wanted(self.plan, self.results, *self.only)

    def remaining(self) -> int:
        return remaining(self.plan, self.results, *self.only)

    def rate(self, cell: Cell) -> float:
        return self.plan.rate_value(cell.rate)

    def arguments(self, cell: Cell) -> list[str]:
        measured = (["--validation", "--value-only"] if cell.split == "tuning"
                    else ["--measure-steps"])
        return [*self.plan.tasks[cell.task]["arguments"], *variant_arguments(self.plan, cell),
                *measured]

    def line(self, cell: Cell, written: dict) -> dict:
        return result_of(self.plan, cell, written)

    def text(self, cell: Cell) -> str:
        name = f"{cell.method} {cell.variant}".strip()
        return (f"{cell.task:9} {name:34} lr {self.rate(cell):<8g} seed {cell.seed:<3} "
                f"{cell.split:7}")


class Sweeps:
    """The work of a view's file: its sweeps around the rates that results.jsonl has found."""

    def __init__(self, plan: Plan, options: argparse.Namespace):
        self.plan, self.view = plan, View(plan, options.view)
        self.path = self.view.path(options.results)
        self.results = ViewResults(plan, self.path)
        tuned = self.view.tuned_rates(Results(plan, options.results))
        self.cells = self.view.all_cells(tuned, options.tasks, options.methods)
        self.untuned = [f"{task} {method}" for task in self.view.tasks
                        for method in self.view.methods if (task, method) not in tuned
                        and task in (options.tasks or plan.tasks)
                        and method in (options.methods or plan.methods)]

    def wanted(self) -> list[ViewCell]:
        return [cell for cell in self.cells if cell not in self.results]

    def remaining(self) -> int:
        return len(self.wanted())

    def rate(self, cell: ViewCell) -> float:
        return cell.rate

    def arguments(self, cell: ViewCell) -> list[str]:
        return cell_arguments(self.plan, cell)

    def line(self, cell: ViewCell, written: dict) -> dict:
        return line_of(cell, written["runs"][-1])

    def text(self, cell: ViewCell) -> str:
        knobs = "" if cell.rank is None else f"alpha {cell.alpha:<3g} rank {cell.rank:<2}"
        return f"{cell.task:9} {cell.method:18} {knobs:17} lr {cell.rate:<8g} seed {cell.seed:<3}"


Work = Union[Comparison, Sweeps]


class Runner:
    def __init__(self, work: Work, options: argparse.Namespace):
        self.work = work
        self.options = options
        self.file = work.path.open("a")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SystemExit(f"{work.path}: another run is writing to it") from error
        self.children: set[subprocess.Popen] = set()
        self.failed: set[AnyCell] = set()
        self.finished = 0
        self.start = time.monotonic()
        self.stopped = False

    def run_cell(self, cell: AnyCell) -> dict | None:
        output = self.options.work / cell.slug
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (output / "log").open("wb") as log:
            child = subprocess.Popen(command_of(self.work, cell, self.options, output),
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
        result = self.work.line(cell, json.loads((output / "results.json").read_text()))
        shutil.rmtree(output)
        return result

    def say(self, text: str) -> None:
        end = "\033[K\n" if sys.stderr.isatty() else "\n"
        print(("\r" if sys.stderr.isatty() else "") + text, end=end, file=sys.stderr, flush=True)

    def show_progress(self, running: list[AnyCell]) -> None:
        if not sys.stderr.isatty():
            return
        left = self.work.remaining()
        passed = time.monotonic() - self.start
        eta = f", about {passed / self.finished * left / 60:.0f} min left" if self.finished else ""
        names = ", ".join(f"{c.task} {c.method} {self.work.rate(c):g}" for c in running)
        columns = shutil.get_terminal_size().columns
        text = f"{self.finished} done, {left} to do{eta}: {names}"
        print("\r" + text[: columns - 1] + "\033[K", end="", file=sys.stderr, flush=True)

    def record(self, cell: AnyCell, result: dict) -> None:
        if not self.work.results.add(result):
            self.failed.add(cell)
            self.say(f"{cell.slug}: the plan says that runs with its options are unused; "
                     "are the programs of the version that it is for?")
            return
        self.file.write(json.dumps(result) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.finished += 1
        value = "diverged" if result["value"] is None else f"{result['value']:.4f}"
        self.say(f"{self.work.text(cell)} {value:>9} {result['seconds']:6.1f} s")

    def run(self) -> int:
        deadline = time.monotonic() + 60 * self.options.minutes if self.options.minutes else None
        running: dict[concurrent.futures.Future, AnyCell] = {}
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            try:
                while True:
                    late = deadline is not None and time.monotonic() > deadline
                    busy = set(running.values())
                    ready = [] if late else [
                        cell for cell in self.work.wanted()
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
        left = self.work.remaining()
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
    parser.add_argument("--methods", type=lambda text: text.split(","), help="only these, A,B,...")
    parser.add_argument("--view", help="run this view of the plan, around the rates found so far; "
                        "into VIEW.jsonl beside --results")
    parser.add_argument("--tuning-only", action="store_true",
                        help="search learning rates and options; leave the test data alone")
    parser.add_argument("--minutes", type=float, help="begin no cell after this time")
    parser.add_argument("--list", action="store_true", help="print what would be run next")
    parser.add_argument("extra", nargs="*", help="after --: further options of the programs")
    options = parser.parse_args(arguments)
    plan = Plan(options.plan)
    for kind, names, known in (("task", options.tasks, plan.tasks),
                               ("method", options.methods, plan.methods)):
        for name in names or []:
            if name not in known:
                parser.error(f"--{kind}s: there is no {kind} {name}; known are {', '.join(known)}")
    if options.view is not None and options.view not in plan.views:
        parser.error(f"--view: there is no view {options.view}; known are {', '.join(plan.views)}")
    if options.view is not None and options.tuning_only:
        parser.error("--tuning-only: a view has no learning rates to search")
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
    work = Sweeps(plan, options) if options.view else Comparison(plan, options)
    if isinstance(work, Sweeps) and work.untuned:
        print("left out, as their learning rates have yet to be searched (without --view): "
              + ", ".join(work.untuned), file=sys.stderr)
    if options.list:
        for cell in work.wanted():
            print(work.text(cell).rstrip())
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return Runner(work, options).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
