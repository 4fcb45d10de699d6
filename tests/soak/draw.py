#!/usr/bin/python3
"""Draws recordings of the soak, one of Ashlar and, to compare, others of the same load.

  draw.py --out PICTURE.svg RECORDING.csv [NAME=OTHER.csv...]

Four panels over one axis of minutes: resident and live memory; resident over live; the budget for free pages
and what of it is used; what the program allocates and what goes back to the system. A fifth lays the cycles
side by side. Needs python3-matplotlib.
"""
import argparse
import io
import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

from recording import Recording, RecordingError, mean, second_half  # noqa: E402

MIB = 1 << 20
LEAST_LIVE = 8 * MIB  # below it, resident over live says nothing
RATIO_SHOWN = 6  # above it, the curve leaves the panel
# Told apart by the colour-blind, too (Okabe and Ito, "Color Universal Design", 2008).
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#808080"
TEN = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#999999", "#882255", "#117733")
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "soak", "font.family": "sans-serif", "font.size": 10,
    "figure.facecolor": "white", "axes.facecolor": "white", "axes.grid": True, "grid.color": "#e4e4e4",
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "lines.linewidth": 1.3,
}  # fmt: skip


def minutes(rows):
    return [row["seconds"] / 60 for row in rows]


def mib(rows, column):
    return [row[column] / MIB for row in rows]


def rates(rows, counter):
    """MiB a second between one row and the next; the first is 0."""
    found = [0.0]
    for a, b in zip(rows, rows[1:]):
        seconds = b["seconds"] - a["seconds"]
        found.append((b[counter] - a[counter]) / MIB / seconds if seconds > 0 else 0.0)
    return found


def ratio(rows):
    return [row["resident"] / row["live_bytes"] if row["live_bytes"] >= LEAST_LIVE else float("nan") for row in rows]


def mark_cycles(axes, recording):
    starts = {}
    for passage in recording.passages():
        starts.setdefault(passage.cycle, passage.rows[0]["seconds"] / 60)
    for axis in axes:
        for start in starts.values():
            axis.axvline(start, color="#b0b0b0", linewidth=0.8, linestyle=":")


def draw_memory(axis, recording, others):
    rows = recording.rows
    axis.fill_between(minutes(rows), mib(rows, "live_bytes"), color=BLUE, alpha=0.22, linewidth=0,
                      label="live: asked for by the program")
    for (name, other), colour in zip(others, (GREY, PURPLE, GREEN)):
        axis.plot(minutes(other.rows), mib(other.rows, "resident"), color=colour, label=f"resident, {name}")
    axis.plot(minutes(rows), mib(rows, "resident"), color=BLUE, label="resident, Ashlar")
    axis.set_ylabel("MiB")
    axis.set_title("Resident and live memory", loc="left", fontsize=11)


def draw_ratio(axis, recording, others):
    for (name, other), colour in zip(others, (GREY, PURPLE, GREEN)):
        axis.plot(minutes(other.rows), ratio(other.rows), color=colour, label=name)
    axis.plot(minutes(recording.rows), ratio(recording.rows), color=BLUE, label="Ashlar")
    axis.set_ylabel("resident / live")
    axis.set_ylim(1, min(RATIO_SHOWN, axis.get_ylim()[1]))
    axis.set_title("Resident over live (from 8 MiB live)", loc="left", fontsize=11)


def draw_budget(axis, recording):
    rows = recording.rows
    axis.fill_between(minutes(rows), mib(rows, "budget_least"), mib(rows, "budget_most"), color=ORANGE, alpha=0.35,
                      linewidth=0, label="its range in ten seconds")
    axis.plot(minutes(rows), mib(rows, "dirty_budget"), color=ORANGE, label="budget for free pages")
    axis.fill_between(minutes(rows), mib(rows, "dirty_bytes"), color=GREEN, alpha=0.5, linewidth=0,
                      label="free pages, resident")
    axis.set_ylabel("MiB")
    axis.set_title("Ashlar's purge budget", loc="left", fontsize=11)


def draw_purging(axis, recording):
    rows = recording.rows
    axis.plot(minutes(rows), rates(rows, "allocated_bytes"), color=GREY, label="allocated")
    axis.plot(minutes(rows), rates(rows, "purged_bytes"), color=ORANGE, label="returned to the system")
    axis.plot(minutes(rows), rates(rows, "purged_again"), color=PURPLE, label="of that, soon taken back")
    axis.set_yscale("symlog", linthresh=1)
    axis.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
    axis.set_ylim(bottom=0)
    axis.set_ylabel("MiB a second")
    axis.set_xlabel("minutes; at each dotted line a cycle of ten phases begins")
    axis.set_title("Allocated, and returned by Ashlar", loc="left", fontsize=11)


def draw_cycles(axis, recording):
    phases = list(dict.fromkeys(p.phase for p in recording.passages()))
    for phase, colour in zip(phases, TEN):
        passages = [p for p in recording.passages() if p.phase == phase and second_half(p)]
        values = [mean(row["excess"] for row in second_half(p)) / MIB for p in passages]
        axis.plot([p.cycle for p in passages], values, color=colour, marker="o", markersize=4, label=phase)
    axis.set_xticks(sorted({p.cycle for p in recording.passages()}))
    axis.set_ylabel("MiB")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("cycle")
    axis.set_title("Ashlar: resident minus live, the second half of each phase, cycle by cycle", loc="left", fontsize=11)


def draw(recording, others, path):
    plt.rcParams.update(STYLE)
    figure = plt.figure(figsize=(10, 14), layout="constrained")
    grid = figure.add_gridspec(5, 1, height_ratios=(3, 2, 2, 2, 3))
    axes = [figure.add_subplot(grid[0])]
    axes += [figure.add_subplot(grid[i], sharex=axes[0]) for i in (1, 2, 3)]
    draw_memory(axes[0], recording, others)
    draw_ratio(axes[1], recording, others)
    draw_budget(axes[2], recording)
    draw_purging(axes[3], recording)
    mark_cycles(axes, recording)
    axes[0].set_xlim(0, recording.rows[-1]["seconds"] / 60)
    cycles = figure.add_subplot(grid[4])
    draw_cycles(cycles, recording)
    for axis in axes:
        axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=9, borderaxespad=0.2)
    cycles.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=5, fontsize=9)
    drawn = io.StringIO()
    figure.savefig(drawn, metadata={"Date": None})
    # A tenth of a point is finer than any screen, and half of the file.
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"\d+\.\d{2,}", lambda number: f"{float(number.group()):.1f}", drawn.getvalue()))


def main():
    parser = argparse.ArgumentParser(description="Draws recordings of the soak. See docs/soak.md.")
    parser.add_argument("--out", required=True, metavar="PICTURE.svg")
    parser.add_argument("recording", help="of Ashlar")
    parser.add_argument("others", nargs="*", metavar="NAME=CSV", help="up to three others of the same load")
    options = parser.parse_args()
    if len(options.others) > 3 or not all("=" in other for other in options.others):
        parser.error("up to three others, each as NAME=CSV")
    try:
        others = [(o.partition("=")[0], Recording(o.partition("=")[2])) for o in options.others]
        recording = Recording(options.recording)
        if not recording.has_heap():
            raise RecordingError(f"{options.recording}: it was not Ashlar that served; draw it as NAME={options.recording}")
        draw(recording, others, options.out)
    except (RecordingError, OSError) as error:
        print(f"draw.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
