#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Makes the report of the comparison from results.jsonl, and of its views from their files: one
HTML file with tables and curves, which needs nothing else to be read, and the tables alone as
Markdown."""

from __future__ import annotations

import argparse
import html
import math
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from cells import COMPARISON, Contender, Plan, Results, report_cells, search, tuned_rates
from pictures import Series, picture
from robustness import View, ViewResults
from robustness_report import ViewReport
from tables import Sample, Table, number

HERE = Path(__file__).resolve().parent
BASELINE, CEILING = "lora_adamw", "full_adamw"


class Report:
    def __init__(self, plan: Plan, results: Results, views: Sequence[ViewReport] = ()):
        self.plan, self.results, self.views = plan, results, views

    def label(self, contender: Contender) -> str:
        label = self.plan.methods[contender.method]["label"]
        return f"{label}, {contender.variant}" if contender.variant else label

    def sample(self, contender: Contender, rate: int) -> Sample:
        """Of the report runs with this rate that are there."""
        cells = [c for c in report_cells(self.plan, contender, rate) if c in self.results]
        values = {}
        for cell in cells:
            value = self.results.by_cell[cell]["value"]
            values[cell.seed] = None if value is None else value * self.plan.scale(cell.task)
        return Sample(values)

    def median_of(self, contender: Contender, rate: int, field: str) -> float:
        """Of times and sizes: a run that had to wait for the machine does not count."""
        cells = [c for c in report_cells(self.plan, contender, rate) if c in self.results]
        values = [self.results.by_cell[c][field] for c in cells]
        return statistics.median(values) if values else math.nan

    def mean_curve_value(self, contender: Contender, rate: int, name: str) -> float:
        """Mean over the measured steps and the seeds."""
        cells = [c for c in report_cells(self.plan, contender, rate) if c in self.results]
        values = [value for c in cells
                  for _, value in self.results.by_cell[c]["step_curves"].get(name, [])
                  if value is not None]
        return statistics.fmean(values) if values else math.nan

    def tuned_rate(self, contender: Contender) -> int | None:
        return search(self.plan, self.results, contender)[1]

    def contenders_of(self, task: str) -> list[Contender]:
        return [c for c in self.plan.contenders([task]) if c.variant == COMPARISON]

    def gap_closed(self, sample: Sample, low: Sample, high: Sample) -> str:
        gap = high.mean() - low.mean()
        if math.isnan(gap) or gap == 0 or not sample.finite:
            return "-"
        return f"{100 * (sample.mean() - low.mean()) / gap:.0f} %"

    def comparison(self, task: str, rates: dict[Contender, int | None], title: str) -> Table:
        digits = self.plan.digits(task)
        unit = " %" if self.plan.tasks[task]["percent"] else ""
        metric = self.plan.tasks[task]["metric"] + unit
        table = Table(title, ["method", "learning rate", metric, "against LoRA", "gap closed",
                              "distance", "second order", "alignment", "state", "optimizer",
                              "run"])
        samples = {c: self.sample(c, rate) if rate is not None else Sample({})
                   for c, rate in rates.items()}
        by_method = {c.method: sample for c, sample in samples.items()}
        for c, rate in rates.items():
            sample = samples[c]
            if rate is None or not sample.values:
                continue
            difference = sample.minus(by_method[BASELINE])
            state = self.median_of(c, rate, "state_bytes")
            table.rows.append([
                self.label(c), f"{self.plan.rate_value(rate):g}", sample.text(digits),
                "" if c.method == BASELINE else difference.text(digits, True),
                "" if c.method in (BASELINE, CEILING) else self.gap_closed(
                    sample, by_method[BASELINE], by_method[CEILING]),
                number(self.mean_curve_value(c, rate, "gradient_distance"), 2),
                number(self.mean_curve_value(c, rate, "second_order_share"), 3),
                number(self.mean_curve_value(c, rate, "alignment"), 2),
                f"{state / 1e6:.2f} MB" if state < 1e8 else f"{state / 1e6:.0f} MB",
                f"{self.median_of(c, rate, 'optimizer_ms_per_step'):.2f} ms",
                f"{self.median_of(c, rate, 'seconds'):.1f} s"])
        return table

    def tuned_table(self, task: str) -> Table:
        rates = {c: self.tuned_rate(c) for c in self.contenders_of(task)}
        return self.comparison(task, rates, "Each at its own best learning rate")

    def shared_table(self, task: str) -> Table:
        rate = self.plan.rate_place(self.plan.tasks[task]["shared_rate"])
        return self.comparison(task, {c: rate for c in self.contenders_of(task)},
                               f"All at one learning rate of {self.plan.rate_value(rate):g}")

    def tuning_table(self, task: str) -> Table:
        contenders = self.contenders_of(task)
        scores = {c: tuned_rates(self.plan, self.results, c) for c in contenders}
        rates = sorted({rate for found in scores.values() for rate in found})
        table = Table("The search for the learning rates, on validation data",
                      ["method", *(f"{self.plan.rate_value(rate):g}" for rate in rates)])
        for c in contenders:
            if scores[c]:
                table.rows.append([self.label(c)] + [
                    self.score_text(task, scores[c][rate]) if rate in scores[c] else ""
                    for rate in rates])
        return table

    def score_text(self, task: str, score: float) -> str:
        if score == -math.inf:
            return "diverged"
        value = score if self.plan.tasks[task]["higher_is_better"] else -score
        return f"{value * self.plan.scale(task):.{self.plan.digits(task)}f}"

    def study_table(self, study: dict) -> Table:
        def best_of(task: str, method: str, variant: str) -> str:
            contender = Contender(task, method, variant, tuple(study["variants"].get(variant, ())))
            # The comparison's own row with the seeds that the others have.
            scores = tuned_rates(self.plan, self.results, contender,
                                 self.plan.tasks[task]["study_seeds"])
            if not scores:
                return ""
            best = max(scores, key=lambda rate: scores[rate])
            return f"{self.score_text(task, scores[best])} ({self.plan.rate_value(best):g})"

        rows = {variant: {(task, method): best_of(task, method, variant)
                          for task in study["tasks"] for method in study["methods"]}
                for variant in [COMPARISON, *study["variants"]]}
        columns = [column for column in rows[COMPARISON]
                   if any(rows[variant][column] for variant in study["variants"])]
        table = Table(study["question"],
                      ["", *(f"{task}: {self.plan.methods[method]['label']}"
                             for task, method in columns)],
                      "Validation data, mean over the tuning seeds at each one's best learning "
                      "rate, which is in brackets.")
        for variant, cells in rows.items():
            if any(cells[column] for column in columns):
                table.rows.append([variant or "as in the comparison",
                                   *(cells[column] or "-" for column in columns)])
        return table

    def mean_curve(self, contender: Contender, rate: int, name: str) -> list[tuple[int, float]]:
        sums: dict[int, list[float]] = {}
        for cell in report_cells(self.plan, contender, rate):
            if cell not in self.results:
                continue
            result = self.results.by_cell[cell]
            curve = result["curve"] if name == "loss" else result["step_curves"].get(name, [])
            for step, value in curve:
                if value is not None:
                    sums.setdefault(step, []).append(value)
        return [(step, statistics.fmean(values)) for step, values in sorted(sums.items())]

    def groups(self, task: str) -> list[tuple[str, list[Contender]]]:
        """Methods that share a picture; a group with nothing of its own has none."""
        there = {cell.method for cell in self.results.by_cell if cell.task == task}
        groups, drawn = [], set()
        for name, methods in self.plan.pictures.items():
            shown = there.intersection(methods)
            if shown - drawn:
                groups.append((name, [c for c in self.contenders_of(task) if c.method in shown]))
            drawn |= shown
        return groups

    def curves(self, contenders: list[Contender], name: str, y_label: str) -> str:
        series = []
        for c in contenders:
            rate = self.tuned_rate(c)
            curve = self.mean_curve(c, rate, name) if rate is not None else []
            if curve and not (name == "gradient_distance" and not self.plan.has_adapters(c.method)):
                series.append(Series(self.label(c), self.plan.methods[c.method]["color"], curve))
        return picture(series, "step", y_label)

    def rate_curves(self, task: str, contenders: list[Contender]) -> str:
        series = []
        for c in contenders:
            scores = tuned_rates(self.plan, self.results, c)
            sign = 1 if self.plan.tasks[task]["higher_is_better"] else -1
            curve = [(self.plan.rate_value(rate), sign * score * self.plan.scale(task))
                     for rate, score in sorted(scores.items()) if score > -math.inf]
            if curve:
                series.append(Series(self.label(c), self.plan.methods[c.method]["color"], curve))
        return picture(series, "learning rate", self.plan.tasks[task]["metric"], True)

    def core_hours(self) -> float:
        return sum(result["seconds"] for result in self.results.by_cell.values()) / 3600

    def tasks(self) -> list[str]:
        there = {cell.task for cell in self.results.by_cell}
        return [task for task in self.plan.tasks if task in there]

    def studies(self) -> list[dict]:
        there = {(cell.task, cell.variant) for cell in self.results.by_cell}
        return [study for study in self.plan.studies
                if any((task, variant) in there for task in study["tasks"]
                       for variant in study["variants"])]

    LEGEND = (
        "Mean ± standard error over fresh seeds, on test data; differences are taken seed by seed. "
        "Gap closed: of that between LoRA and full fine-tuning, both with AdamW. Distance: sine of "
        "the angle between the equivalent gradient and the full one, mean over eight steps. "
        "Second order: ||s dB dA|| / ||s (B dA + dB A)|| of the steps taken. Alignment: cosine of "
        "the angle between the change of W and minus the gradient of the batch. Optimizer: "
        "milliseconds per step, median; it and the seconds per run are from a busy machine.")

    def markdown(self) -> str:
        parts = [self.LEGEND + "\n"]
        for task in self.tasks():
            parts.append(f"### {self.plan.tasks[task]['title']}\n")
            parts += [table.markdown() for table in (self.tuned_table(task),
                                                     self.shared_table(task)) if table.rows]
        parts += [self.study_table(study).markdown() for study in self.studies()]
        parts += [view.markdown() for view in self.views]
        return "\n".join(parts)

    def html(self) -> str:
        body = ["<h1>LoRA, LoRA-Pro and full fine-tuning</h1>",
                f"<p>{html.escape(self.LEGEND)}</p>",
                f"<p>{len(self.results.by_cell)} runs, {self.core_hours():.1f} core-hours.</p>"]
        for task in self.tasks():
            body.append(f"<h2>{html.escape(self.plan.tasks[task]['title'])}</h2>")
            body += [table.html() for table in (self.tuned_table(task), self.shared_table(task))
                     if table.rows]
            groups = self.groups(task)
            for heading, draw in (
                    ("Training loss at the best learning rates",
                     lambda group: self.curves(group, "loss", "loss")),
                    ("Distance of the equivalent gradient from the full one",
                     lambda group: self.curves(group, "gradient_distance", "distance")),
                    ("Validation against the learning rate",
                     lambda group, task=task: self.rate_curves(task, group))):
                pictures = [(name, draw(group)) for name, group in groups]
                if any(drawn for _, drawn in pictures):
                    body.append(f"<h3>{heading}</h3>")
                body += [f"<p>{html.escape(name)}</p>{drawn}" for name, drawn in pictures if drawn]
            body.append(self.tuning_table(task).html())
        if self.studies():
            body.append("<h2>Options</h2>")
            body += [self.study_table(study).html() for study in self.studies()]
        body += [view.html() for view in self.views]
        return PAGE.format(body="\n".join(body))


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>LoRA, LoRA-Pro and full fine-tuning</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }}
th, td {{ border-bottom: 1px solid #ccc; padding: 0.3em 0.6em; text-align: left; }}
img {{ max-width: 100%; }}
</style></head><body>
{body}
</body></html>
"""


def write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def view_reports(plan: Plan, results: Results, path: Path) -> list[ViewReport]:
    """Of the views that have results, in files beside that of the comparison."""
    views = [View(plan, name) for name in plan.views]
    reports = [ViewReport(view, ViewResults(plan, view.path(path)), view.tuned_rates(results))
               for view in views]
    return [report for report in reports if report.results.by_cell]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, default=HERE / "plan.json")
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--html", type=Path, default=HERE / "report.html")
    parser.add_argument("--markdown", type=Path, default=HERE / "report.md")
    options = parser.parse_args(arguments)
    plan = Plan(options.plan)
    results = Results(plan, options.results)
    if not results.by_cell:
        parser.error(f"--results: {options.results} has no results")
    report = Report(plan, results, view_reports(plan, results, options.results))
    write(options.html, report.html())
    write(options.markdown, report.markdown())
    print(f"written: {options.html}, {options.markdown}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
