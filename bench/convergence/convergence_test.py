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

from cells import FIRST_REPORT_SEED, Cell, Contender, Plan, Results, search, wanted
from report import Report, Sample

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
run = {"value": None if method == "lost" else value, "further_metrics": {}, "final_loss": 1.0,
       "trainable_parameters": 3, "optimizer_state_bytes": 24, "optimizer_ms_per_step": 0.5,
       "seconds": 2.0, "options": {"rank": 4}, "curve": [[1, 2.0], [2, 1.0]],
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
                      "tuning_seeds": 2, "report_seeds": 3, "max_rates": 6, "shared_rate": 0.01,
                      "rates": {"lora_adamw": 0.01, "full_adamw": 0.01, "lost": 0.01}}},
    "studies": [{"question": "Worse?", "tasks": ["toy"], "methods": ["lora_adamw"],
                 "variants": {"worse": ["--worse"]}}],
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

    def test_a_failing_program_is_reported_and_the_rest_is_run(self):
        plan = json.loads(json.dumps(PLAN))
        plan["methods"]["broken"] = {"label": "broken", "color": "#000000"}
        plan["tasks"]["toy"]["rates"]["broken"] = 0.01
        self.plan_path.write_text(json.dumps(plan))
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
        cells = {cell for contender in plan.contenders() for cell in
                 [Cell(contender.task, contender.method, contender.variant, 0, 0, "tuning")]}
        self.assertEqual(len({cell.slug for cell in cells}), len(cells))


if __name__ == "__main__":
    unittest.main()
