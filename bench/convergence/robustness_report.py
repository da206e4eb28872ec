# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""The part of the report that shows a view: how much each method depends on its knobs."""

from __future__ import annotations

import html
import math
import statistics
from dataclasses import dataclass

from pictures import HeatMap, Series, heat_maps, picture
from robustness import View, ViewCell, ViewResults
from tables import Sample, Table, number

BASELINE = "lora_adamw"
AXES = {"alpha": "alpha", "rank": "rank", "rate_factor": "learning rate over the tuned one"}
RAW_BITS = 8.0  # bits per character that take no model; pictures end there


@dataclass(frozen=True)
class Knob:
    """A sweep along one axis, or a part of it."""

    sweep: str
    axis: str
    values: tuple[float, ...]
    rates_of: str | None = None  # label of the method whose rates all get, or else each its own

    @property
    def axis_title(self) -> str:
        return f"learning rate over that of {self.rates_of}" if self.rates_of else AXES[self.axis]

    @property
    def title(self) -> str:
        return f"{self.axis_title}, {self.values[0]:g} to {self.values[-1]:g}"


@dataclass(frozen=True)
class Extremes:
    """The best and the worst setting of a knob, by their means; a diverged run is the worst."""

    best_at: float
    best: Sample
    worst_at: float
    worst: Sample
    noise: float  # standard deviation of one run: over the seeds, of all settings together
    runs: int  # that are there

    @property
    def spread(self) -> float:
        """The worst minus the best; not a number if a run diverged."""
        return math.nan if self.worst.diverged else self.worst.mean() - self.best.mean()


class ViewReport:
    def __init__(self, view: View, results: ViewResults, tuned: dict[tuple[str, str], float]):
        self.view, self.results, self.tuned = view, results, tuned
        self.plan = view.plan

    def knobs(self) -> list[Knob]:
        out = []
        for name, sweep in self.view.sweeps.items():
            if len(sweep["axes"]) == 1:
                (axis, values), = sweep["axes"].items()
                rates_of = self.label(sweep["rates_of"]) if "rates_of" in sweep else None
                out.append(Knob(name, axis, tuple(values), rates_of))
                if "narrower" in sweep:
                    low, high = sweep["narrower"]
                    out.append(Knob(name, axis, tuple(v for v in values if low <= v <= high)))
        return out

    def own_knobs(self) -> list[Knob]:
        """Those whose centre is each method's own rate."""
        return [knob for knob in self.knobs() if knob.rates_of is None]

    def planes(self) -> list[str]:
        return [name for name, sweep in self.view.sweeps.items() if len(sweep["axes"]) == 2]

    def label(self, method: str) -> str:
        return self.plan.methods[method]["label"]

    def centre(self, sweep: str, task: str, method: str) -> float | None:
        """The tuned rate around which the sweep is, if there is one yet."""
        return self.tuned.get((task, self.view.rates_of(sweep, method)))

    def samples(self, sweep: str, task: str, method: str) -> dict[tuple[float, ...], Sample]:
        """By the values of the sweep's axes, of the runs that are there."""
        centre = self.centre(sweep, task, method)
        if centre is None or method not in self.view.methods_of(sweep):
            return {}
        found: dict[tuple[float, ...], dict[int, float | None]] = {}
        for seed in self.view.seeds(sweep):
            cells = self.view.cells(sweep, task, method, centre, seed)
            for values, cell in cells.items():
                if cell in self.results:
                    value = self.results.value(cell)
                    found.setdefault(values, {})[seed] = (
                        None if value is None else value * self.plan.scale(task))
        return {values: Sample(by_seed) for values, by_seed in found.items()}

    def along(self, knob: Knob, task: str, method: str) -> dict[float, Sample]:
        samples = self.samples(knob.sweep, task, method)
        return {value: samples[value,] for value in knob.values if (value,) in samples}

    def score(self, task: str, sample: Sample) -> float:
        """Larger is better."""
        if sample.diverged:
            return -math.inf
        return sample.mean() if self.plan.tasks[task]["higher_is_better"] else -sample.mean()

    def extremes(self, knob: Knob, task: str, method: str) -> Extremes | None:
        """None without two settings to compare: without adapters there is one alpha and rank."""
        if not self.plan.has_adapters(method) and knob.axis != "rate_factor":
            return None
        samples = self.along(knob, task, method)
        if len(samples) < 2:
            return None
        scores = {value: self.score(task, sample) for value, sample in samples.items()}
        best, worst = max(scores, key=scores.__getitem__), min(scores, key=scores.__getitem__)
        variances = [statistics.variance(sample.finite) for sample in samples.values()
                     if not sample.diverged and len(sample.finite) > 1]
        noise = math.sqrt(statistics.fmean(variances)) if variances else math.nan
        return Extremes(best, samples[best], worst, samples[worst], noise,
                        sum(len(sample.values) for sample in samples.values()))

    def partial(self, knob: Knob, runs: int) -> str:
        wanted = len(knob.values) * len(self.view.seeds(knob.sweep))
        return "" if runs == wanted else f" [{runs} of {wanted} runs]"

    def spread_text(self, knob: Knob, task: str, method: str) -> str:
        found = self.extremes(knob, task, method)
        if found is None:
            return "-"
        if found.worst.diverged:
            text = f"diverged at {found.worst_at:g}"
        else:
            text = f"{number(found.spread, self.plan.digits(task), True)} at {found.worst_at:g}"
            if found.noise > 0:  # false where it is not a number
                text += f", {abs(found.spread) / found.noise:.1f} σ"
        return text + self.partial(knob, found.runs)

    def spread_table(self, knob: Knob) -> Table:
        table = Table(f"The worst minus the best: {knob.title}", ["method", *self.shown_tasks()])
        for method in self.view.methods:
            texts = [self.spread_text(knob, task, method) for task in self.shown_tasks()]
            if any(text != "-" for text in texts):
                table.rows.append([self.label(method), *texts])
        return table

    def against_text(self, knob: Knob, task: str, method: str) -> str:
        ours = self.extremes(knob, task, method)
        baseline = self.extremes(knob, task, BASELINE)
        if ours is None or baseline is None or baseline.best.diverged:
            return "-"
        if ours.worst.diverged:
            return f"diverged at {ours.worst_at:g}" + self.partial(knob, ours.runs)
        return (ours.worst.minus(baseline.best).text(self.plan.digits(task), True)
                + self.partial(knob, min(ours.runs, baseline.runs)))

    def same_rate_text(self, knob: Knob, task: str, method: str, value: float) -> str:
        ours, baseline = (self.along(knob, task, m).get(value) for m in (method, BASELINE))
        if ours is None or baseline is None:
            return "-"
        if ours.diverged or baseline.diverged:
            names = [self.label(m) for m, sample in ((method, ours), (BASELINE, baseline))
                     if sample.diverged]
            return f"{' and '.join(names)} diverged"
        return ours.minus(baseline).text(self.plan.digits(task), True)

    def same_rate_tables(self, knob: Knob) -> list[Table]:
        """Of each method: its value minus that of LoRA, at one rate for both."""
        tables = []
        for method in self.view.methods_of(knob.sweep):
            if method == BASELINE:
                continue
            table = Table(f"{self.label(method)} minus {self.label(BASELINE)} at the same rate",
                          [knob.axis_title, *self.shown_tasks()])
            for value in knob.values:
                texts = [self.same_rate_text(knob, task, method, value)
                         for task in self.shown_tasks()]
                if any(text != "-" for text in texts):
                    table.rows.append([f"{value:g}", *texts])
            tables.append(table)
        return tables

    def against_table(self) -> Table:
        table = Table(f"LoRA-Pro at its worst minus {self.label(BASELINE)} at its best",
                      ["method", "knob", *self.shown_tasks()])
        for method in self.view.methods:
            for knob in self.own_knobs() if method.startswith("lora_pro") else []:
                texts = [self.against_text(knob, task, method) for task in self.shown_tasks()]
                if any(text != "-" for text in texts):
                    table.rows.append([self.label(method), knob.title, *texts])
        return table

    def value_table(self, knob: Knob, task: str) -> Table:
        table = Table(f"{self.plan.tasks[task]['metric']} against {knob.axis_title}",
                      ["method", "tuned rate", *(f"{value:g}" for value in knob.values)])
        for method in self.view.methods:
            samples = self.along(knob, task, method)
            if samples:
                centre = self.centre(knob.sweep, task, method)
                table.rows.append([self.label(method), f"{centre:g}"] + [
                    samples[value].text(self.plan.digits(task)) if value in samples else "-"
                    for value in knob.values])
        return table

    def most(self, task: str) -> float:
        return math.inf if self.plan.tasks[task]["higher_is_better"] else RAW_BITS

    def curves(self, knob: Knob, task: str) -> str:
        series = []
        for method in self.view.methods:
            samples = self.along(knob, task, method)
            points = [(value, sample.mean(), 0.0 if math.isnan(sample.standard_error())
                       else sample.standard_error())
                      for value, sample in samples.items() if sample.finite]
            failed = [value for value, sample in samples.items() if sample.diverged]
            if samples:
                series.append(Series(self.label(method), self.plan.methods[method]["color"],
                                     points, failed))
        most = self.most(task)
        return picture(series, knob.axis_title, self.plan.tasks[task]["metric"], True,
                       list(knob.values), most if math.isfinite(most) else None)

    def heat_maps(self, sweep: str, task: str) -> str:
        (y_axis, ys), (x_axis, xs) = self.view.sweeps[sweep]["axes"].items()
        maps = []
        for method in self.view.methods_of(sweep):
            values = {(xs.index(x), ys.index(y)): None if sample.diverged else sample.mean()
                      for (y, x), sample in self.samples(sweep, task, method).items()}
            if values:
                maps.append(HeatMap(self.label(method), values))
        return heat_maps(maps, ((AXES[x_axis], xs), (AXES[y_axis], ys)),
                         self.plan.tasks[task]["higher_is_better"], self.most(task),
                         1 if self.plan.tasks[task]["percent"] else 3)

    def shown_tasks(self) -> list[str]:
        there = {cell.task for cell in self.results.by_cell}
        return [task for task in self.view.tasks if task in there]

    def counts(self) -> str:
        """How many runs there are of how many, those of rates not yet searched among them."""
        anything = {(task, method): self.tuned.get((task, method), 1.0)
                    for task in self.view.tasks for method in self.view.methods}
        parts, every = [], set()
        for sweep in self.view.sweeps:
            cells: set[ViewCell] = set()
            for task in self.view.tasks_of(sweep):
                for method in self.view.methods_of(sweep):
                    centre = anything[task, self.view.rates_of(sweep, method)]
                    for seed in self.view.seeds(sweep):
                        cells.update(self.view.cells(sweep, task, method, centre, seed).values())
            every |= cells
            parts.append(f"{sweep} {self.there(cells)} of {len(cells)}")
        return (f"{self.there(every)} of {len(every)} runs are there: {', '.join(parts)}, some of "
                "them shared.")

    def there(self, cells: set[ViewCell]) -> int:
        return sum((cell.task, cell.method) in self.tuned and cell in self.results
                   for cell in cells)

    def legend(self) -> str:
        return (
            f"One knob is turned at a time, around alpha {self.view.alpha:g}, the task's rank and "
            "the learning rate tuned there, which is not tuned anew. Test data, mean ± standard "
            "error over fresh seeds. σ is the standard deviation of one run: over the seeds, of "
            "the settings together. A setting with a run that diverged is the worst. Differences "
            "between methods are taken seed by seed; of bits per character less is better, so "
            "there a worst minus a best is above 0.")

    def headline(self) -> list[Table]:
        tables = [self.spread_table(knob) for knob in self.own_knobs()] + [self.against_table()]
        for knob in self.knobs():
            tables += self.same_rate_tables(knob) if knob.rates_of else []
        return [table for table in tables if table.rows]

    def value_tables(self, task: str) -> list[Table]:
        tables = [self.value_table(knob, task) for knob in self.whole_knobs()]
        return [table for table in tables if table.rows]

    def whole_knobs(self) -> list[Knob]:
        """Without the narrower parts."""
        return list({knob.sweep: knob for knob in reversed(self.knobs())}.values())[::-1]

    def markdown(self) -> str:
        parts = [f"## {self.view.title}\n", self.counts() + "\n", self.legend() + "\n"]
        parts += [table.markdown() for table in self.headline()]
        for task in self.shown_tasks():
            parts.append(f"### {self.plan.tasks[task]['title']}\n")
            parts += [table.markdown() for table in self.value_tables(task)]
        return "\n".join(parts)

    def html(self) -> str:
        body = [f"<h2>{html.escape(self.view.title)}</h2>", f"<p>{html.escape(self.counts())}</p>",
                f"<p>{html.escape(self.legend())} In pictures a cross is a run that "
                "diverged.</p>"]
        body += [table.html() for table in self.headline()]
        for task in self.shown_tasks():
            body.append(f"<h3>{html.escape(self.plan.tasks[task]['title'])}</h3>")
            body += [self.curves(knob, task) for knob in self.whole_knobs()]
            body += [self.heat_maps(sweep, task) for sweep in self.planes()
                     if task in self.view.tasks_of(sweep)]
            body += [table.html() for table in self.value_tables(task)]
        return "\n".join(body)
