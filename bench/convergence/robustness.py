# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Views of the comparison: one knob of a method after another is turned away from its centre, which
is the learning rate that the search has found, the view's alpha and the task's rank."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

from cells import COMPARISON, Contender, Lines, Plan, Results, search

KEPT_OPTIONS = ("damping", "max_relative_move", "base_fingerprint", "library_version")  # and names that contain them


@dataclass(frozen=True)
class ViewCell:
    """One run of a program on test data."""

    task: str
    method: str
    alpha: float | None  # neither where there are no adapters
    rank: int | None
    rate: float  # the learning rate itself, which need not be on the grid
    seed: int

    @property
    def slug(self) -> str:
        return f"{self.task}-{self.method}-{self.alpha}-{self.rank}-{self.rate:g}-{self.seed}"


class View:
    """What there is to run: the sweeps of plan.json as cells."""

    def __init__(self, plan: Plan, name: str):
        self.plan, self.name = plan, name
        content = plan.views[name]
        self.title: str = content["title"]
        self.tasks: list[str] = content["tasks"]
        self.methods: list[str] = content["methods"]
        self.alpha: float = content["alpha"]
        self.first_seed: int = content["first_seed"]
        self.sweeps: dict[str, dict] = content["sweeps"]

    def path(self, results: Path) -> Path:
        """The file of the view, beside that of the comparison."""
        return results.with_name(f"{self.name}.jsonl")

    def tuned_rates(self, results: Results) -> dict[tuple[str, str], float]:
        """By task and method, where the search is finished."""
        out = {}
        for task, method in itertools.product(self.tasks, self.methods):
            best = search(self.plan, results, Contender(task, method, COMPARISON, ()))[1]
            if best is not None:
                out[task, method] = self.plan.rate_value(best)
        return out

    def seeds(self, sweep: str) -> range:
        return range(self.first_seed, self.first_seed + self.sweeps[sweep]["seeds"])

    def tasks_of(self, sweep: str) -> list[str]:
        return self.sweeps[sweep].get("tasks", self.tasks)

    def methods_of(self, sweep: str) -> list[str]:
        return self.sweeps[sweep].get("methods", self.methods)

    def rates_of(self, sweep: str, method: str) -> str:
        """The method whose tuned rate is the centre: its own, or one for all in the sweep."""
        return self.sweeps[sweep].get("rates_of", method)

    def cells(self, sweep: str, task: str, method: str, tuned: float,
              seed: int) -> dict[tuple[float, ...], ViewCell]:
        """By their values on the axes of the sweep. Without adapters alpha and rank change nothing:
        the values share a cell."""
        axes = self.sweeps[sweep]["axes"]
        rank = int(option(self.plan.tasks[task]["arguments"], "--rank"))
        adapters = self.plan.has_adapters(method)
        out = {}
        for values in itertools.product(*axes.values()):
            at = {"alpha": self.alpha, "rank": rank, "rate_factor": 1, **dict(zip(axes, values))}
            out[values] = ViewCell(task, method, float(at["alpha"]) if adapters else None,
                                   at["rank"] if adapters else None,
                                   float(f"{tuned * at['rate_factor']:.4g}"), seed)
        return out

    def all_cells(self, tuned: dict[tuple[str, str], float], tasks: list[str] | None = None,
                  methods: list[str] | None = None) -> list[ViewCell]:
        """Each once, the most important first: sweep by sweep, every task and method with one seed
        before the next seed."""
        out: dict[ViewCell, None] = {}
        for sweep in self.sweeps:
            for seed, task, method in itertools.product(
                    self.seeds(sweep), self.tasks_of(sweep), self.methods_of(sweep)):
                centre = tuned.get((task, self.rates_of(sweep, method)))
                if centre is not None and (tasks is None or task in tasks) and (
                        methods is None or method in methods):
                    cells = self.cells(sweep, task, method, centre, seed)
                    out.update(dict.fromkeys(cells.values()))
        return list(out)


class ViewResults(Lines[ViewCell]):
    """The lines of a view's file."""

    def cell_of(self, result: dict) -> ViewCell:
        return ViewCell(result["task"], result["method"], result["alpha"], result["rank"],
                        result["learning_rate"], result["seed"])

    def value(self, cell: ViewCell) -> float | None:
        """None where the run diverged."""
        value = self.by_cell[cell]["value"]
        return None if value is None or math.isnan(value) else value


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def without_option(arguments: list[str], name: str) -> list[str]:
    if name not in arguments:
        return list(arguments)
    at = arguments.index(name)
    return arguments[:at] + arguments[at + 2:]


def cell_arguments(plan: Plan, cell: ViewCell) -> list[str]:
    """Of the program: those of the task, with the cell's alpha and rank."""
    arguments = list(plan.tasks[cell.task]["arguments"])
    for name, value in (("--rank", cell.rank), ("--alpha", cell.alpha)):
        if value is not None:
            arguments = without_option(arguments, name) + [name, f"{value:g}"]
    return [*arguments, "--value-only"]


def line_of(cell: ViewCell, run: dict) -> dict:
    """The line of the view's file, from what the program has written of the run."""
    return {"task": cell.task, "method": cell.method, "alpha": cell.alpha, "rank": cell.rank,
            "learning_rate": cell.rate, "seed": cell.seed, "value": run["value"],
            "final_loss": run["final_loss"], "seconds": run["seconds"],
            "options": {name: value for name, value in run["options"].items()
                        if any(kept in name for kept in KEPT_OPTIONS)}}
