# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""What the comparison consists of: cells, one run each, and which of them are to be run next."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

FIRST_REPORT_SEED = 100  # tuning seeds count from 0 and are never reported
COMPARISON = ""  # the variant of a method with the program's own options
CellKind = TypeVar("CellKind")


@dataclass(frozen=True)
class Cell:
    """One run of a program: of one method, with one learning rate and one seed."""

    task: str
    method: str
    variant: str  # of the method, in a study of options
    rate: int  # place on the grid of learning rates
    seed: int
    split: str  # "tuning": judged on validation data, "report": on test data

    @property
    def slug(self) -> str:
        name = f"{self.task}-{self.method}-{self.variant}-{self.rate}-{self.seed}-{self.split}"
        return "".join(c if c.isalnum() or c in "-._" else "_" for c in name)


@dataclass(frozen=True)
class Contender:
    """A method with options on a task, which gets a learning rate of its own."""

    task: str
    method: str
    variant: str
    arguments: tuple[str, ...]


class Plan:
    def __init__(self, path: Path):
        self.content = json.loads(path.read_text())
        self.tasks = self.content["tasks"]
        self.methods = self.content["methods"]
        self.studies = self.content["studies"]
        self.pictures: dict[str, list[str]] = self.content["pictures"]
        self.views = self.content.get("views", {})
        self.unused = self.content.get("unused", [])
        self.steps_per_decade = self.content["grid_steps_per_decade"]

    def rate_value(self, rate: int) -> float:
        """The learning rate at a place on the grid, to two digits: 1e-2, 1.8e-2, 3.2e-2, ..."""
        return float(f"{10 ** (rate / self.steps_per_decade):.1e}")

    def rate_place(self, value: float) -> int:
        return round(math.log10(value) * self.steps_per_decade)

    def scale(self, task: str) -> float:
        """From the program's metric to that of the report."""
        return 100.0 if self.tasks[task]["percent"] else 1.0

    def digits(self, task: str) -> int:
        return 2 if self.tasks[task]["percent"] else 4

    def has_adapters(self, method: str) -> bool:
        return not method.startswith("full_")

    def is_unused(self, result: dict) -> bool:
        """Lines that are kept but no longer count: made with options that have another meaning."""
        return any(result["method"] in rule["methods"] and all(
            result["options"].get(option) in values for option, values in rule["options"].items())
            for rule in self.unused)

    def contenders(self, tasks: list[str] | None = None,
                   methods: list[str] | None = None) -> list[Contender]:
        """Task by task, every method and then the studies."""
        out: list[Contender] = []
        for task in self.tasks:
            if tasks is not None and task not in tasks:
                continue
            out += [Contender(task, method, COMPARISON, ()) for method in self.methods]
            for study in self.studies:
                if task in study["tasks"]:
                    out += [Contender(task, method, variant, tuple(arguments))
                            for method in study["methods"]
                            for variant, arguments in study["variants"].items()]
        return [c for c in out if methods is None or c.method in methods]


class Lines(Generic[CellKind]):
    """The lines of a file of results by their cells."""

    def __init__(self, plan: Plan, path: Path):
        self.plan = plan
        self.by_cell: dict[CellKind, dict] = {}
        if path.exists():
            for number, line in enumerate(path.read_text().splitlines(), 1):
                try:
                    self.add(json.loads(line))
                except (ValueError, KeyError) as error:
                    raise SystemExit(f"{path}:{number}: not a result ({error!r})") from error

    def cell_of(self, result: dict) -> CellKind:
        raise NotImplementedError

    def add(self, result: dict) -> bool:
        """Whether it counts: not if the plan says that such lines are unused."""
        cell = self.cell_of(result)
        if self.plan.is_unused(result):
            return False
        self.by_cell[cell] = result
        return True

    def __contains__(self, cell: CellKind) -> bool:
        return cell in self.by_cell


class Results(Lines[Cell]):
    """Those of results.jsonl."""

    def cell_of(self, result: dict) -> Cell:
        return Cell(result["task"], result["method"], result["variant"],
                    self.plan.rate_place(result["learning_rate"]), result["seed"], result["split"])

    def score(self, cell: Cell) -> float:
        """Larger is better; a run that diverged is the worst."""
        result = self.by_cell[cell]
        value = result["value"]
        if value is None or math.isnan(value):
            return -math.inf
        return value if result["higher_is_better"] else -value

    def mean_score(self, cells: list[Cell]) -> float:
        return statistics.fmean(self.score(cell) for cell in cells)


def tuning_seeds(plan: Plan, contender: Contender) -> int:
    """Studies may do with fewer."""
    task = plan.tasks[contender.task]
    return task["tuning_seeds" if contender.variant == COMPARISON else "study_seeds"]


def tuning_cells(plan: Plan, contender: Contender, rate: int) -> list[Cell]:
    return [Cell(contender.task, contender.method, contender.variant, rate, seed, "tuning")
            for seed in range(tuning_seeds(plan, contender))]


def report_cells(plan: Plan, contender: Contender, rate: int) -> list[Cell]:
    seeds = plan.tasks[contender.task]["report_seeds"]
    return [Cell(contender.task, contender.method, contender.variant, rate,
                 FIRST_REPORT_SEED + seed, "report") for seed in range(seeds)]


def tuned_rates(plan: Plan, results: Results, contender: Contender,
                seeds: int | None = None) -> dict[int, float]:
    """The mean score of every learning rate whose tuning runs are all there: with the first seeds,
    as many as the contender is tuned with unless told otherwise."""
    if seeds is None:
        seeds = tuning_seeds(plan, contender)
    runs: dict[int, list[Cell]] = {}
    for cell in results.by_cell:
        if cell.seed < seeds and (cell.task, cell.method, cell.variant, cell.split) == (
                contender.task, contender.method, contender.variant, "tuning"):
            runs.setdefault(cell.rate, []).append(cell)
    return {rate: results.mean_score(cells) for rate, cells in runs.items()
            if len(cells) >= seeds}


def search(plan: Plan, results: Results, contender: Contender) -> tuple[list[Cell], int | None]:
    """The search for the learning rate: three around the plan's guess, and further ones while the
    best lies at the edge of what was tried.

    Returns the tuning cells to run next, or none and the best rate."""
    task = plan.tasks[contender.task]
    guess = plan.rate_place(task["rates"][contender.method])
    scores = tuned_rates(plan, results, contender)
    missing = [cell for rate in (guess - 1, guess, guess + 1)
               for cell in tuning_cells(plan, contender, rate) if cell not in results]
    if missing:
        return missing, None
    best = max(scores, key=lambda rate: scores[rate])
    edge = {min(scores): min(scores) - 1, max(scores): max(scores) + 1}
    if best in edge and len(scores) < task["max_rates"] and scores[best] > -math.inf:
        return [cell for cell in tuning_cells(plan, contender, edge[best])
                if cell not in results], None
    return [], best


def wanted(plan: Plan, results: Results, tasks: list[str] | None = None,
           methods: list[str] | None = None, tuning_only: bool = False) -> list[Cell]:
    """The cells that can be run now, the most important first. Others follow from their results."""
    out = []
    for contender in plan.contenders(tasks, methods):
        cells, best = search(plan, results, contender)
        out += cells
        if best is None or tuning_only or contender.variant != COMPARISON:
            continue  # variants are judged by their tuning runs
        shared = plan.rate_place(plan.tasks[contender.task]["shared_rate"])
        for rate in dict.fromkeys((best, shared)):
            out += [cell for cell in report_cells(plan, contender, rate) if cell not in results]
    return out


def remaining(plan: Plan, results: Results, tasks: list[str] | None = None,
              methods: list[str] | None = None, tuning_only: bool = False) -> int:
    """About how many cells are still to be run, if no search has to go beyond its first rates."""
    count = 0
    for contender in plan.contenders(tasks, methods):
        cells, best = search(plan, results, contender)
        count += len(cells)
        if tuning_only or contender.variant != COMPARISON:
            continue
        seeds = plan.tasks[contender.task]["report_seeds"]
        shared = plan.rate_place(plan.tasks[contender.task]["shared_rate"])
        if best is None:
            count += 2 * seeds
        else:
            for rate in dict.fromkeys((best, shared)):
                count += sum(cell not in results for cell in report_cells(plan, contender, rate))
    return count
