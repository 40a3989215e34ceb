"""Benchmark report: prints tables, then writes Markdown, JSON and an SVG chart. Also compares the ratios of two runs."""

import datetime
import json
import os
import platform
import re
from html import escape
from pathlib import Path


class Report:
    """The report of one run: prints each line and keeps it for the files."""

    def __init__(self, versions, rounds, seconds):
        self.machine = machine()
        self.date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        self.versions, self.how = versions, f"medians of {rounds} interleaved runs of {seconds} s"
        self.lines, self.ratios, self.charts = [], [], []
        self.say("# Benchmarks\n")
        self.say(f"`make bench`, {self.date}; {self.how}. The load generator shares the machine with the servers, so ratios are more meaningful than absolute figures.\n")
        self.say(f"{self.machine}\n")
        self.say("\n".join(f"- {name}: {version}" for name, version in versions.items()) + "\n")

    def say(self, text):
        print(text, flush=True)
        self.lines.append(text)

    def part(self, name, doc):
        self.say(f"\n## {name}\n\n{' '.join(doc.split())}\n")

    def table(self, header, rows):
        cells = [header, *[[figure(cell) for cell in row] for row in rows]]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        is_text = [all(isinstance(row[column], str) for row in rows) for column in range(len(header))]
        for number, row in enumerate(cells):
            padded = [cell.ljust(width) if text else cell.rjust(width) for cell, width, text in zip(row, widths, is_text)]
            self.say("| " + " | ".join(padded) + " |")
            if number == 0:
                self.say("|" + "|".join("-" * (w + 2) if text else "-" * (w + 1) + ":" for w, text in zip(widths, is_text)) + "|")

    def note(self, text):
        self.say(f"\n{text}")

    def ratio(self, name, value, relation=None, goal=None):
        """A ratio of this run, with its goal (`relation` is <= or >=) if it has one."""
        self.ratios.append({"name": name, "value": round(value, 4), "relation": relation, "goal": goal})

    def chart(self, title, bars):
        self.charts.append((title, bars))

    def close(self, directory):
        self.part("Ratios", "Goals and results.")
        rows = []
        for ratio in self.ratios:
            value, relation, goal = ratio["value"], ratio["relation"], ratio["goal"]
            reached = "" if relation is None else "reached" if (value <= goal if relation == "<=" else value >= goal) else "NOT REACHED"
            # Three decimals if two would hide on which side of the goal the value is.
            shown = f"{value:.3f}" if relation and value != goal == round(value, 2) else f"{value:.2f}"
            rows.append([ratio["name"], shown, f"{relation} {goal}" if relation else "", reached])
        self.table(["ratio", "value", "goal", ""], rows)
        if not directory:
            return
        Path(directory).mkdir(parents=True, exist_ok=True)
        base = Path(directory, "latest")
        base.with_suffix(".md").write_text("\n".join(self.lines) + "\n")
        into_document(self.lines[-len(rows) - 2 :])
        base.with_suffix(".svg").write_text(svg(self.charts))
        kept = {"date": self.date, "machine": self.machine, "versions": self.versions, "how": self.how, "ratios": self.ratios}
        dated = Path(directory, f"{self.date[:16].replace(' ', 'T').replace(':', '')}.json")
        dated.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def into_document(table):
    """Writes the newest ratios into docs/benchmarks.md, between two comments; not padded, since its lines are short."""
    table = [re.sub("-{3,}", "---", re.sub(" +", " ", line)) for line in table]
    document = Path(__file__).parent.parent / "docs" / "benchmarks.md"
    begin, end = "which make bench puts here -->\n", "<!-- end of the ratios -->"
    before, rest = document.read_text().split(begin)
    document.write_text(before + begin + "\n" + "\n".join(table) + "\n\n" + end + rest.split(end)[1])


def figure(cell):
    """Formats a number with about three significant digits."""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.0f}" if cell >= 1000 else f"{cell:.1f}" if cell >= 10 else f"{cell:.2f}"


def machine():
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model[1] if model else '?'}), {gib:.0f} GiB, {platform.system()} {platform.release()}, {platform.machine()}"


STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1c2430 } .title { font-weight: 600; font-size: 15px } .value { font-variant-numeric: tabular-nums }
.ours { fill: #1b4f9c } .others { fill: #9aa4b2 }
@media (prefers-color-scheme: dark) { text { fill: #e8e6e1 } .ours { fill: #9cc0ff } .others { fill: #5d6877 } }
"""


def svg(charts):
    """Horizontal bars, one group per chart, with gatekey's highlighted. Has a dark mode."""
    width, label, row, parts, y = 760, 190, 26, [], 8
    for title, bars in charts:
        parts.append(f'<text class="title" x="8" y="{y + 18}">{escape(title)}</text>')
        y += 32
        most = max(bars.values())
        for name, value in bars.items():
            length = max(2, (width - label - 110) * value / most)
            kind = "ours" if name.startswith("gatekey") else "others"
            parts.append(f'<text x="{label - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect class="{kind}" x="{label}" y="{y + 3}" width="{length:.1f}" height="{row - 8}" rx="3"/>')
            parts.append(f'<text class="value" x="{label + length + 8:.1f}" y="{y + 16}">{figure(float(value))}</text>')
            y += row
        y += 16
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img" '
        f'aria-label="Benchmarks">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )


def compare(one, other, tolerance=0.2):
    """Prints the ratios of two runs side by side. Returns whether none differs by more than the tolerance."""
    first, second = [
        {ratio["name"]: ratio["value"] for ratio in json.loads(Path(file).read_text())["ratios"]} for file in (one, other)
    ]
    differ = 0
    for name in first.keys() & second.keys():
        change = second[name] / first[name] - 1
        differ += abs(change) > tolerance
        print(f"{'DIFFERS' if abs(change) > tolerance else 'same':8} {change:+7.0%}  {first[name]:10.2f} {second[name]:10.2f}  {name}")
    return differ == 0
