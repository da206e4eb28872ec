#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Tests of the comparison's bookkeeping, with a stand-in for the programs whose metric is a known
function of method, learning rate and seed."""

import json
import math
import os
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from cells import (FIRST_REPORT_SEED, Cell, Contender, Plan, Results, search, tuned_rates,
                   tuning_cells, wanted)
from report import Report, view_reports
from robustness import View, ViewCell, ViewResults, cell_arguments, line_of
from robustness_report import ViewReport
from tables import Sample

HERE = Path(__file__).resolve().parent

# Best at 1e-2 for "good", at 1e-1 for "high", nowhere for "lost"; report seeds shift the value.
PROGRAM = r'''#!/usr/bin/env python3
import json, math, pathlib, sys
def option(name): return sys.argv[sys.argv.index(name) + 1]
method, rate, seed = option("--methods"), float(option("--lr")), int(option("--first-seed"))
output = pathlib.Path(option("--output"))
with (pathlib.Path(__file__).parent / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
if method == "broken": sys.exit("no such thing")
best = {"lora_adamw": -2, "full_adamw": -1, "lost": 0}[method]
value = 0.5 - 0.1 * abs(math.log10(rate) - best) + (0.01 if method == "full_adamw" else 0)
value += 0.001 * (seed % 10)
if "--worse" in sys.argv: value -= 0.2
alpha = float(option("--alpha")) if "--alpha" in sys.argv else 16
if method == "lora_adamw": value -= 0.01 * abs(math.log2(alpha / 16))
if alpha > 100: value = None
run = {"value": None if method == "lost" else value, "further_metrics": {}, "final_loss": 1.0,
       "trainable_parameters": 3, "optimizer_state_bytes": 24, "optimizer_ms_per_step": 0.5,
       "seconds": 2.0, "options": {"rank": 4, "damping": 0.1}, "curve": [[1, 2.0], [2, 1.0]],
       "step_curves": {"gradient_distance": [[1, 0.25]]} if "--measure-steps" in sys.argv else {}}
(output / "results.json").write_text(json.dumps(
    {"metric": "accuracy", "higher_is_better": True, "runs": [run]}))
'''

PLAN = {
    "grid_steps_per_decade": 4,
    "methods": {"lora_adamw": {"label": "LoRA", "color": "#0072B2"},
                "full_adamw": {"label": "full", "color": "#000000"},
                "lost": {"label": "lost", "color": "#777777"}},
    "tasks": {"toy": {"title": "Toy", "program": "toy", "arguments": ["--rank", "4"],
                      "metric": "accuracy", "higher_is_better": True, "percent": True,
                      "tuning_seeds": 2, "study_seeds": 2, "report_seeds": 3, "max_rates": 6,
                      "shared_rate": 0.01,
                      "rates": {"lora_adamw": 0.01, "full_adamw": 0.01, "lost": 0.01}}},
    "pictures": {"all": ["lora_adamw", "full_adamw", "lost"]},
    "studies": [{"question": "Worse?", "tasks": ["toy"], "methods": ["lora_adamw"],
                 "variants": {"worse": ["--worse"]}}],
    "views": {"turned": {
        "title": "Turned", "tasks": ["toy"], "methods": ["lora_adamw", "full_adamw"],
        "alpha": 16, "first_seed": 200,
        "sweeps": {"alpha": {"seeds": 3, "axes": {"alpha": [4, 16, 64]}},
                   "rate": {"seeds": 3, "axes": {"rate_factor": [0.25, 0.5, 1, 2, 4]},
                            "narrower": [0.5, 2]},
                   "rank": {"seeds": 3, "axes": {"rank": [4, 8]}},
                   "plane": {"seeds": 2, "methods": ["lora_adamw"],
                             "axes": {"rate_factor": [0.5, 1], "alpha": [16, 256]}}}}},
}


class ConvergenceTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.dir = Path(self.folder.name)
        self.plan_path = self.dir / "plan.json"
        self.plan_path.write_text(json.dumps(PLAN))
        self.results_path = self.dir / "results.jsonl"
        program = self.dir / "toy"
        program.write_text(PROGRAM)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def run_script(self, *arguments, script="run.py"):
        command = [sys.executable, str(HERE / script), "--plan", str(self.plan_path),
                   "--results", str(self.results_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.dir, check=False)

    def run_all(self, *arguments):
        return self.run_script("--programs", str(self.dir), "--jobs", "2", *arguments)

    def calls(self):
        path = self.dir / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def load(self):
        plan = Plan(self.plan_path)
        return plan, Results(plan, self.results_path)

    def change_plan(self, change):
        plan = json.loads(json.dumps(PLAN))
        change(plan)
        self.plan_path.write_text(json.dumps(plan))

    def view_lines(self):
        return (self.dir / "turned.jsonl").read_text().splitlines(keepends=True)

    def view_report(self):
        return view_reports(*self.load(), self.results_path)[0]

    def test_everything_is_run_once(self):
        first = self.run_all()
        self.assertEqual(first.returncode, 0, first.stderr)
        count = len(self.calls())
        # lora: 3 rates; full: 3 and 3 more up to the edge of its search; lost: 3; the variant: 3;
        # reports: lora at its best, which is the shared rate, the others at both.
        self.assertEqual(count, 2 * (3 + 6 + 3 + 3) + 3 * (1 + 2 + 2))
        self.assertEqual(len(set(self.calls())), count)
        second = self.run_all()
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(len(self.calls()), count)

    def test_a_study_may_have_fewer_seeds(self):
        self.change_plan(lambda plan: plan["tasks"]["toy"].update(study_seeds=1))
        self.assertEqual(self.run_all("--methods", "lora_adamw").returncode, 0)
        self.assertEqual(len(self.calls()), 2 * 3 + 1 * 3 + 3)
        plan, results = self.load()
        lora = Contender("toy", "lora_adamw", "", ())
        place = plan.rate_place(0.01)
        both = [results.score(cell) for cell in tuning_cells(plan, lora, place)]
        self.assertEqual(tuned_rates(plan, results, lora)[place], sum(both) / 2)
        self.assertEqual(tuned_rates(plan, results, lora, 1)[place], both[0])
        self.assertNotEqual(both[0], both[1])

    def test_what_was_cut_off_is_run_again_and_nothing_else(self):
        self.assertEqual(self.run_all().returncode, 0)
        lines = self.results_path.read_text().splitlines(keepends=True)
        self.results_path.write_text("".join(lines[:7] + lines[8:]))
        before = len(self.calls())
        self.assertEqual(self.run_all().returncode, 0)
        self.assertEqual(len(self.calls()), before + 1)

    def test_the_search_goes_on_while_the_best_is_at_the_edge(self):
        self.assertEqual(self.run_all().returncode, 0)
        plan, results = self.load()
        lora = Contender("toy", "lora_adamw", "", ())
        self.assertEqual(search(plan, results, lora), ([], plan.rate_place(0.01)))
        full = Contender("toy", "full_adamw", "", ())
        self.assertEqual(search(plan, results, full)[0], [])
        rates = {cell.rate for cell in results.by_cell
                 if cell.method == "full_adamw" and cell.split == "tuning"}
        self.assertEqual(rates, set(range(-9, -3)))  # six, and the best of them is the last
        self.assertEqual(search(plan, results, full)[1], -4)

    def test_tuning_and_report_are_kept_apart(self):
        self.assertEqual(self.run_all("--tuning-only").returncode, 0)
        self.assertTrue(all("--validation" in call for call in self.calls()))
        self.assertEqual(self.run_all().returncode, 0)
        _, results = self.load()
        for cell in results.by_cell:
            self.assertEqual(cell.split == "report", cell.seed >= FIRST_REPORT_SEED)
        for call in self.calls():
            self.assertNotEqual("--validation" in call, "--measure-steps" in call)
            self.assertEqual("--validation" in call, "--value-only" in call)

    def test_a_failing_program_is_reported_and_the_rest_is_run(self):
        def add_method(plan):
            plan["methods"]["broken"] = {"label": "broken", "color": "#000000"}
            plan["tasks"]["toy"]["rates"]["broken"] = 0.01

        self.change_plan(add_method)
        ran = self.run_all()
        self.assertEqual(ran.returncode, 1)
        self.assertIn("no such thing", ran.stderr)
        self.assertIn("6 failed", ran.stderr)
        self.assertEqual(wanted(*self.load())[0].method, "broken")

    def test_bad_input_has_a_message(self):
        self.results_path.write_text("{}\n")
        self.assertIn(f"{self.results_path}:1: not a result", self.run_all().stderr)
        self.results_path.unlink()
        self.assertIn("no task nothing", self.run_all("--tasks", "nothing").stderr)
        self.assertIn("no method nothing", self.run_all("--methods", "nothing").stderr)
        self.assertIn("no view nothing", self.run_all("--view", "nothing").stderr)
        self.assertIn("no learning rates to search",
                      self.run_all("--view", "turned", "--tuning-only").stderr)
        self.assertIn("expected a number >= 1", self.run_all("--jobs", "0").stderr)
        self.assertIn("cannot be run",
                      self.run_script("--programs", str(self.dir / "missing")).stderr)
        self.assertIn("has no results", self.run_script(script="report.py").stderr)

    def test_two_runs_do_not_write_to_the_same_file(self):
        import fcntl
        with self.results_path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.assertIn("another run is writing to it", self.run_all().stderr)
        self.assertEqual(self.calls(), [])

    def test_the_report_has_means_errors_and_differences(self):
        self.assertEqual(self.run_all().returncode, 0)
        plan, results = self.load()
        report = Report(plan, results)
        rows = {row[0]: row for row in report.tuned_table("toy").rows}
        # Seeds 100, 101, 102 add 0, 0.1 and 0.2 points: mean 0.1, standard error 0.1 / sqrt(3).
        self.assertEqual(rows["LoRA"][2], "50.10 ± 0.06")
        self.assertEqual(rows["full"][1:4], ["0.1", "51.10 ± 0.06", "+1.00 ± 0.00"])
        self.assertEqual(rows["lost"][2], "diverged")
        self.assertEqual(rows["LoRA"][5], "0.25")
        shared = {row[0]: row for row in report.shared_table("toy").rows}
        self.assertEqual(shared["full"][2], "41.10 ± 0.06")
        study = report.study_table(plan.studies[0]).rows
        self.assertEqual(study, [["as in the comparison", "50.05 (0.01)"],
                                 ["worse", "30.05 (0.01)"]])

    def test_a_picture_has_its_methods_if_one_of_them_is_not_in_another(self):
        self.assertEqual(self.run_all("--methods", "lora_adamw,full_adamw").returncode, 0)
        self.change_plan(lambda plan: plan.update(pictures={
            "first": ["lora_adamw", "full_adamw"], "nothing new": ["full_adamw", "lost"],
            "lost": ["lost", "lora_adamw"]}))

        def drawn():
            return [(name, [c.method for c in contenders])
                    for name, contenders in Report(*self.load()).groups("toy")]

        self.assertEqual(drawn(), [("first", ["lora_adamw", "full_adamw"])])
        self.assertEqual(self.run_all("--methods", "lost").returncode, 0)
        self.assertEqual(drawn(), [("first", ["lora_adamw", "full_adamw"]),
                                   ("nothing new", ["full_adamw", "lost"])])

    def test_every_method_of_the_plan_is_in_a_picture(self):
        plan = Plan(HERE / "plan.json")
        self.assertEqual({method for group in plan.pictures.values() for method in group},
                         set(plan.methods))

    @unittest.skipUnless(any(os.access(Path(folder) / "gnuplot", os.X_OK)
                             for folder in os.environ["PATH"].split(":")), "gnuplot is not there")
    def test_the_report_is_written(self):
        self.assertEqual(self.run_all().returncode, 0)
        page, text = self.dir / "report.html", self.dir / "report.md"
        made = self.run_script("--html", str(page), "--markdown", str(text), script="report.py")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn("data:image/svg+xml;base64,", page.read_text())
        self.assertNotIn("http", page.read_text().replace("data:image/svg+xml", ""))
        self.assertIn("| full | 0.1 | 51.10 ± 0.06 | +1.00 ± 0.00 |", text.read_text())
        self.assertNotIn("Turned", text.read_text())
        self.assertEqual(self.run_all("--view", "turned").returncode, 0)
        made = self.run_script("--html", str(page), "--markdown", str(text), script="report.py")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(page.read_text().count("<img"), 3 + 3 + 1)
        self.assertIn("## Turned", text.read_text())
        self.assertIn("| LoRA | -2.00 at 4, 20.0 σ |", text.read_text())

    def test_methods_can_be_run_alone(self):
        self.assertEqual(self.run_all("--methods", "lora_adamw", "--tuning-only").returncode, 0)
        self.assertTrue(all("--methods lora_adamw" in call for call in self.calls()))
        self.assertEqual(len(self.calls()), 2 * (3 + 3))

    def test_unused_lines_do_not_count(self):
        self.assertEqual(self.run_all("--tuning-only").returncode, 0)
        before = len(self.load()[1].by_cell)
        self.change_plan(lambda plan: plan.update(unused=[
            {"why": "Old.", "methods": ["lora_adamw"], "options": {"damping": [0.1, 1]}}]))
        plan, results = self.load()
        self.assertEqual(len(results.by_cell), before - 2 * (3 + 3))
        self.assertFalse(plan.is_unused({"method": "lora_adamw", "options": {"damping": 0.2}}))
        # A program that makes lines of no use is not run over and over.
        ran = self.run_all("--methods", "lora_adamw", "--tuning-only")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("12 failed", ran.stderr)
        self.assertIn("are unused", ran.stderr)
        self.assertEqual(len(self.load()[1].by_cell), before - 12)

    def test_a_view_has_every_cell_once_in_the_order_of_its_sweeps(self):
        view = View(self.load()[0], "turned")
        tuned = {("toy", "lora_adamw"): 0.018, ("toy", "full_adamw"): 0.1}
        cells = view.all_cells(tuned)
        # By seed: alpha 3 and 1, rates 4 and 4 more, rank 1 more; with two of the seeds the plane
        # adds alpha 256 at both rates, as the rates at alpha 16 are there.
        self.assertEqual(len(cells), 3 * (4 + 8 + 1) + 2 * 2)
        self.assertEqual(len(set(cells)), len(cells))
        self.assertEqual(len({cell.slug for cell in cells}), len(cells))
        self.assertEqual([cell.seed for cell in cells[:12]], [200] * 4 + [201] * 4 + [202] * 4)
        self.assertEqual(cells[0], ViewCell("toy", "lora_adamw", 4.0, 4, 0.018, 200))
        self.assertEqual(cells[3], ViewCell("toy", "full_adamw", None, None, 0.1, 200))
        self.assertEqual(sorted({cell.rate for cell in cells if cell.method == "lora_adamw"}),
                         [0.0045, 0.009, 0.018, 0.036, 0.072])
        self.assertEqual(view.all_cells(tuned, methods=["full_adamw"]),
                         [cell for cell in cells if cell.method == "full_adamw"])
        self.assertEqual(view.all_cells(tuned, tasks=["other"]), [])
        self.assertEqual(view.all_cells({}), [])

    def test_lines_of_a_view_have_the_keys_of_their_cells(self):
        plan, _ = self.load()
        path = self.dir / "turned.jsonl"
        cells = View(plan, "turned").all_cells({("toy", "lora_adamw"): 1.8e-4,
                                                ("toy", "full_adamw"): 5.6e-3})
        run = {"value": 0.5, "final_loss": 1.0, "seconds": 2.0, "options": {"damping": 0.1}}
        path.write_text("".join(json.dumps(line_of(cell, run)) + "\n" for cell in cells))
        self.assertEqual(list(ViewResults(plan, path).by_cell), cells)

    def test_a_cell_sets_alpha_and_rank_of_its_program(self):
        self.change_plan(lambda plan: plan["tasks"]["toy"].update(
            arguments=["--rank", "4", "--alpha", "4", "--size", "9"]))
        plan, _ = self.load()
        self.assertEqual(
            cell_arguments(plan, ViewCell("toy", "lora_adamw", 64.0, 8, 0.01, 200)),
            ["--size", "9", "--rank", "8", "--alpha", "64", "--value-only"])
        self.assertEqual(
            cell_arguments(plan, ViewCell("toy", "full_adamw", None, None, 0.01, 200)),
            ["--rank", "4", "--alpha", "4", "--size", "9", "--value-only"])

    def test_a_view_goes_on_where_it_was_stopped(self):
        ran = self.run_all("--view", "turned")
        self.assertEqual((ran.returncode, self.calls()), (0, []), ran.stderr)
        self.assertIn("yet to be searched (without --view): toy lora_adamw, toy full_adamw",
                      ran.stderr)
        self.assertEqual(self.run_all("--tuning-only").returncode, 0)
        comparison, before = self.results_path.read_text(), len(self.calls())
        ran = self.run_all("--view", "turned", "--methods", "full_adamw")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(len(self.calls()), before + 3 * 5)
        self.assertEqual(self.run_all("--view", "turned").returncode, 0)
        self.assertEqual(len(self.calls()), before + 43)
        for call in self.calls()[before:]:
            self.assertNotIn("--validation", call)
            self.assertNotIn("--measure-steps", call)
        (self.dir / "turned.jsonl").write_text("".join(self.view_lines()[1:]))
        self.assertEqual(self.run_all("--view", "turned").returncode, 0)
        self.assertEqual(self.run_all("--view", "turned").returncode, 0)
        self.assertEqual(len(self.calls()), before + 44)
        self.assertEqual(self.results_path.read_text(), comparison)

    def test_a_view_has_spreads_and_differences(self):
        self.assertEqual(self.run_all("--tuning-only").returncode, 0)
        self.assertEqual(self.run_all("--view", "turned").returncode, 0)
        report = self.view_report()
        alpha, rate, narrow, rank = report.knobs()
        self.assertEqual(narrow.values, (0.5, 1, 2))
        # A factor of 4 of alpha costs 2 points, one of 4 of the rate 6.02; seeds add 0 to 0.2.
        self.assertEqual(report.spread_text(alpha, "toy", "lora_adamw"), "-2.00 at 4, 20.0 σ")
        self.assertEqual(report.spread_text(rate, "toy", "full_adamw")[:13], "-6.02 at 0.25")
        self.assertEqual(report.spread_text(narrow, "toy", "full_adamw")[:12], "-3.01 at 0.5")
        self.assertEqual(report.spread_text(alpha, "toy", "full_adamw"), "-")
        self.assertEqual(report.spread_text(rank, "toy", "lora_adamw"), "+0.00 at 4, 0.0 σ")
        self.assertEqual(report.value_table(alpha, "toy").rows[0],
                         ["LoRA", "0.01", "48.10 ± 0.06", "50.10 ± 0.06", "48.10 ± 0.06"])
        self.assertEqual(report.counts(), "43 of 43 runs are there: alpha 12 of 12, rate 30 of 30, "
                         "rank 9 of 9, plane 8 of 8, some of them shared.")
        self.assertTrue(report.samples("plane", "toy", "lora_adamw")[1, 256].diverged)

    def made_up(self, values):
        """A view's report with values by method, alpha and seed; of a LoRA-Pro method as well."""
        def add_method(plan):
            plan["methods"]["lora_pro_x"] = {"label": "Pro", "color": "#882255"}
            plan["tasks"]["toy"]["rates"]["lora_pro_x"] = 0.01
            plan["views"]["turned"]["methods"].append("lora_pro_x")

        self.change_plan(add_method)
        plan, _ = self.load()
        results = ViewResults(plan, self.dir / "none.jsonl")
        tuned = {("toy", method): 0.01 for method in ("lora_adamw", "lora_pro_x")}
        for (method, alpha), of_seeds in values.items():
            for seed, value in enumerate(of_seeds, 200):
                run = {"value": value, "final_loss": 1.0, "seconds": 1.0, "options": {}}
                cell = ViewCell("toy", method, alpha, 4, 0.01, seed)
                results.add(json.loads(json.dumps(line_of(cell, run))))
        return ViewReport(View(plan, "turned"), results, tuned)

    def test_headline_figures(self):
        report = self.made_up({
            ("lora_adamw", 4.0): [0.50, 0.52, 0.54], ("lora_adamw", 16.0): [0.60, 0.62, 0.64],
            ("lora_adamw", 64.0): [0.40, None, 0.44],
            ("lora_pro_x", 4.0): [0.66, 0.67, 0.71], ("lora_pro_x", 16.0): [0.70, 0.72, 0.74],
            ("lora_pro_x", 64.0): [0.65, 0.67, 0.69]})
        alpha = report.knobs()[0]
        self.assertEqual(report.spread_text(alpha, "toy", "lora_adamw"), "diverged at 64")
        # Variances 7, 4 and 4 points squared; the worst minus the best 5 points.
        self.assertEqual(report.spread_text(alpha, "toy", "lora_pro_x"), "-5.00 at 64, 2.2 σ")
        self.assertEqual(report.against_text(alpha, "toy", "lora_pro_x"), "+5.00 ± 0.00")
        self.assertEqual(report.against_table().rows, [["Pro", "alpha, 4 to 64", "+5.00 ± 0.00"]])
        report.plan.tasks["toy"].update(higher_is_better=False)
        found = report.extremes(alpha, "toy", "lora_pro_x")
        self.assertEqual((found.best_at, found.worst_at), (64, 16))

    def test_a_sweep_around_the_rate_of_one_method(self):
        report = self.made_up({})
        sweep = {"seeds": 2, "methods": ["lora_adamw", "lora_pro_x"], "rates_of": "lora_adamw",
                 "axes": {"rate_factor": [0.1, 1]}}
        report.view.sweeps["same_rate"] = sweep
        report.tuned = {("toy", "lora_adamw"): 0.01}  # the other's rate is of no matter
        cells = report.view.all_cells(report.tuned)[-6:]
        self.assertEqual([(cell.method, cell.rate, cell.seed) for cell in cells],
                         [("lora_adamw", 0.001, 200), ("lora_pro_x", 0.001, 200),
                          ("lora_pro_x", 0.01, 200), ("lora_adamw", 0.001, 201),
                          ("lora_pro_x", 0.001, 201), ("lora_pro_x", 0.01, 201)])
        at_full = [ViewCell("toy", "lora_adamw", 16.0, 4, 0.01, seed) for seed in (200, 201)]
        for cell, value in zip(cells + at_full, (0.5, 0.51, 0.6, 0.5, 0.53, None, 0.58, 0.59)):
            run = {"value": value, "final_loss": 1.0, "seconds": 1.0, "options": {}}
            report.results.add(line_of(cell, run))
        knob = report.knobs()[-1]
        (table,) = report.same_rate_tables(knob)
        self.assertEqual((table.title, table.columns[0]),
                         ("Pro minus LoRA at the same rate", "learning rate over that of LoRA"))
        self.assertEqual(table.rows, [["0.1", "+2.00 ± 1.00"], ["1", "Pro diverged"]])
        self.assertNotIn(knob, report.own_knobs())
        self.assertEqual(report.value_table(knob, "toy").rows[1][:2], ["Pro", "0.01"])
        self.assertIn(table.title, report.markdown())

    def test_a_view_is_reported_as_far_as_it_is_there(self):
        report = self.made_up({("lora_adamw", 4.0): [0.5], ("lora_adamw", 16.0): [0.6, 0.7],
                               ("lora_pro_x", 16.0): [0.7]})
        alpha, rate = report.knobs()[:2]
        self.assertEqual(report.spread_text(alpha, "toy", "lora_adamw"),
                         "-15.00 at 4, 2.1 σ [3 of 9 runs]")
        self.assertEqual(report.spread_text(alpha, "toy", "lora_pro_x"), "-")
        self.assertEqual(report.spread_text(rate, "toy", "lora_adamw"), "-")
        self.assertEqual(report.against_table().rows, [])
        self.assertEqual(report.value_table(alpha, "toy").rows,
                         [["LoRA", "0.01", "50.00", "65.00 ± 5.00", "-"],
                          ["Pro", "0.01", "-", "70.00", "-"]])
        self.assertTrue(report.counts().startswith("4 of "))
        self.assertIn("| Pro | 0.01 | - | 70.00 | - |", report.markdown())
        self.assertEqual(self.made_up({}).spread_table(alpha).rows, [])

    def test_samples(self):
        a, b = Sample({1: 2.0, 2: 4.0, 3: None}), Sample({1: 1.0, 2: 2.0, 3: 5.0})
        self.assertEqual((a.mean(), a.diverged), (3.0, 1))
        self.assertAlmostEqual(a.standard_error(), 1.0)
        self.assertEqual(a.minus(b).values, {1: 1.0, 2: 2.0})
        self.assertTrue(math.isnan(Sample({1: 2.0}).standard_error()))

    def test_rates_lie_on_the_grid(self):
        plan, _ = self.load()
        self.assertEqual([plan.rate_value(k) for k in (-8, -7, -6, -5, -4, 0)],
                         [0.01, 0.018, 0.032, 0.056, 0.1, 1.0])
        for place in range(-20, 5):
            self.assertEqual(plan.rate_place(plan.rate_value(place)), place)

    def test_the_plan_names_known_methods_and_tasks(self):
        plan = Plan(HERE / "plan.json")
        for task in plan.tasks.values():
            self.assertEqual(set(task["rates"]), set(plan.methods))
        for study in plan.studies:
            self.assertLessEqual(set(study["tasks"]), set(plan.tasks))
            self.assertLessEqual(set(study["methods"]), set(plan.methods))
        for rule in plan.unused:
            self.assertLessEqual(set(rule["methods"]), set(plan.methods))
        for name in plan.views:
            view = View(plan, name)
            for sweep in view.sweeps:
                self.assertLessEqual(set(view.tasks_of(sweep)), set(view.tasks))
                self.assertLessEqual(set(view.methods_of(sweep)), set(view.methods))
            cells = view.all_cells({(task, method): plan.tasks[task]["rates"][method]
                                    for task in view.tasks for method in view.methods})
            # By task: alpha 36, rates 32, at LoRA's rates 1 and 5 (of which 4 are there where the
            # plan has one rate for both methods) and ranks 35 more; 16 more of a plane by method.
            self.assertEqual(len(cells), 3 * (5 * (36 + 32 + 6 + 35) - 4) + 2 * 2 * 3 * 16)
            self.assertEqual(len({cell.slug for cell in cells}), len(cells))
        cells = {cell for contender in plan.contenders() for cell in
                 [Cell(contender.task, contender.method, contender.variant, 0, 0, "tuning")]}
        self.assertEqual(len({cell.slug for cell in cells}), len(cells))


if __name__ == "__main__":
    unittest.main()
