# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
"""What reports are made of: samples of runs, as text, and tables of such texts."""

from __future__ import annotations

import html
import math
import statistics


def number(value: float, digits: int, sign: bool = False) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


class Sample:
    """Values of the same contender with different seeds; a run that diverged is None."""

    def __init__(self, values: dict[int, float | None]):
        self.values = values

    @property
    def finite(self) -> list[float]:
        return [value for value in self.values.values() if value is not None]

    @property
    def diverged(self) -> int:
        return len(self.values) - len(self.finite)

    def mean(self) -> float:
        return statistics.fmean(self.finite) if self.finite else math.nan

    def standard_error(self) -> float:
        if len(self.finite) < 2:
            return math.nan
        return statistics.stdev(self.finite) / math.sqrt(len(self.finite))

    def minus(self, other: Sample) -> Sample:
        """Seed by seed, which takes out what the seeds share: data, order, initial values."""
        return Sample({seed: value - other.values[seed] for seed, value in self.values.items()
                       if value is not None and other.values.get(seed) is not None})

    def text(self, digits: int, sign: bool = False) -> str:
        """mean +- standard error"""
        if not self.finite:
            return "diverged" if self.values else "-"
        text = number(self.mean(), digits, sign)
        if len(self.finite) > 1:
            text += f" ± {number(self.standard_error(), digits)}"
        return text + (f" ({self.diverged} diverged)" if self.diverged else "")


class Table:
    def __init__(self, title: str, columns: list[str], note: str = ""):
        self.title, self.columns, self.note = title, columns, note
        self.rows: list[list[str]] = []

    def markdown(self) -> str:
        lines = [f"**{self.title}**", "", "| " + " | ".join(self.columns) + " |",
                 "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + ("\n\n" + self.note if self.note else "") + "\n"

    def html(self) -> str:
        def row(cells: list[str], tag: str) -> str:
            return ("<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
                    + "</tr>")

        body = "".join(row(cells, "td") for cells in self.rows)
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return (f"<h3>{html.escape(self.title)}</h3><table><thead>{row(self.columns, 'th')}"
                f"</thead><tbody>{body}</tbody></table>{note}")
