# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""Pictures of reports: SVG that gnuplot draws, inside the page."""

from __future__ import annotations

import base64
import html
import subprocess
from dataclasses import dataclass, field


@dataclass
class Series:
    """A curve of points x, y or x, y, standard error."""

    label: str
    color: str
    points: list[tuple[float, ...]]
    failed: list[float] = field(default_factory=list)  # where a cross is drawn, near the bottom


def picture(series: list[Series], x_label: str, y_label: str, log_x: bool = False,
            ticks: list[float] | None = None, y_most: float | None = None) -> str:
    """An <img>; nothing where there is no data. What lies above `y_most` is cut off."""
    if not any(one.points or one.failed for one in series):
        return ""
    script = ["set terminal svg size 900,420 font 'sans-serif,13' background 'white'",
              "set key outside right top", "set grid lc rgb '#dddddd'",
              f"set xlabel '{x_label}'", f"set ylabel '{y_label}'"]
    if log_x:
        script.append("set logscale x")
    if ticks:
        script += ["set xtics (" + ", ".join(f"'{x:g}' {x}" for x in ticks) + ")",
                   f"set xrange [{ticks[0] / 1.2}:{ticks[-1] * 1.2}]"]
    if y_most is not None:
        script.append(f"set yrange [*:*<{y_most}]")
    plots = []
    for i, one in enumerate(series):
        script += [f"set label '' at first {x}, graph {0.03 + 0.03 * i} front "
                   f"point pt 2 ps 1.6 lw 2 lc rgb '{one.color}'" for x in one.failed]
        if not one.points:
            plots.append(f"NaN with linespoints lw 2 pt 7 ps 0.4 lc rgb '{one.color}' "
                         f"title \"{one.label}\"")
            continue
        script += [f"$d{i} << EOD", *(" ".join(map(str, point)) for point in one.points), "EOD"]
        style = ("using 1:2:3 with yerrorlines" if len(one.points[0]) == 3
                 else "using 1:2 with linespoints")
        plots.append(f"$d{i} {style} lw 2 pt 7 ps 0.4 lc rgb '{one.color}' title \"{one.label}\"")
    if not any(one.points for one in series):
        script.append("set yrange [0:1]")
    script.append("plot " + ", ".join(plots))
    return drawn(script, f"{y_label} against {x_label}")


@dataclass
class HeatMap:
    """Values by x and y, which are places on the axes; None where a run diverged."""

    title: str
    values: dict[tuple[int, int], float | None]


def heat_maps(maps: list[HeatMap], axes: tuple[tuple[str, list[float]], tuple[str, list[float]]],
              darker_is_more: bool, most: float, digits: int) -> str:
    """An <img> of several side by side, in the same colours: the better, the darker. Everything
    above `most` has one colour; grey: diverged."""
    finite = [value for one in maps for value in one.values.values() if value is not None]
    if not any(one.values for one in maps):
        return ""
    low, high = (min(finite), min(max(finite), most)) if finite else (0.0, 1.0)
    (x_label, xs), (y_label, ys) = axes
    script = [f"set terminal svg size {360 * len(maps)},360 font 'sans-serif,12' "
              "background 'white'",
              f"set multiplot layout 1,{len(maps)}", "unset key", "unset colorbox",
              "set palette defined (0 '#ffffff', 1 '#5aa0d0')" if darker_is_more
              else "set palette defined (0 '#5aa0d0', 1 '#ffffff')",
              f"set cbrange [{low}:{high if high > low else low + 1}]",
              f"set xrange [-0.5:{len(xs) - 0.5}]", f"set yrange [-0.5:{len(ys) - 0.5}]",
              "set xtics (" + ", ".join(f"'{x:g}' {i}" for i, x in enumerate(xs)) + ")",
              "set ytics (" + ", ".join(f"'{y:g}' {i}" for i, y in enumerate(ys)) + ")",
              f"set xlabel '{x_label}'", f"set ylabel '{y_label}'"]
    for i, one in enumerate(maps):
        there = [(x, y, value) for (x, y), value in one.values.items() if value is not None]
        lost = [(x, y) for (x, y), value in one.values.items() if value is None]
        script.append(f"set title '{one.title}'")
        plots = []
        if there:
            script += [f"$v{i} << EOD", *(f"{x} {y} {min(value, most)} {value:.{digits}f}"
                                          for x, y, value in there), "EOD"]
            plots += [f"$v{i} using 1:2:(0.5):(0.5):3 with boxxyerror fs solid lc palette",
                      f"$v{i} using 1:2:4 with labels"]
        if lost:
            script += [f"$l{i} << EOD", *(f"{x} {y} diverged" for x, y in lost), "EOD"]
            plots += [f"$l{i} using 1:2:(0.5):(0.5) with boxxyerror fs solid lc rgb '#bbbbbb'",
                      f"$l{i} using 1:2:3 with labels"]
        script.append("plot " + ", ".join(plots or ["NaN"]))
    return drawn([*script, "unset multiplot"], ", ".join(one.title for one in maps))


def drawn(script: list[str], text: str) -> str:
    ran = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", capture_output=True,
                         text=True, check=False)
    if ran.returncode != 0 or not ran.stdout:
        raise SystemExit(f"gnuplot: {ran.stderr.strip() or 'no picture'}")
    data = base64.b64encode(ran.stdout.encode()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/svg+xml;base64,{data}">'
