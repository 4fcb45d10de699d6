"""A recording of the soak: rows of numbers by column name, cut into the phases of each cycle.

What is above the start counts: the program's own tables are resident from the first row on. Resident memory is
its anonymous part; program text comes and goes with the machine's page cache.
"""
import csv
from collections import namedtuple

WORDS = {"phase"}
# Only grow while a program runs; everything else is what it is at a moment.
COUNTERS = {
    "threads_started", "forks", "failed_children", "allocations", "allocated_bytes", "frees", "resizes", "checks",
    "minor_faults", "voluntary_switches", "user_ms", "system_ms", "purged_bytes", "purged_again",
    "hole_purged_bytes", "purge_calls", "purge_failures",
}  # fmt: skip
REQUIRED = {"seconds", "cycle", "phase", "share", "live_bytes", "anonymous", "allocated_bytes", "failed_children"}
# What a condensed recording goes without: nothing here or in judge.py and draw.py reads it.
LEFT_OUT = {
    "threads", "resident_live", "resident_foreign", "heap_live", "thread_caches", "purge_failures",
    "voluntary_switches",
}  # fmt: skip
# Of a condensed row: the budget's range within it.
RANGE = ("budget_least", "budget_most")
OUTSIDE = ("start", "end", "trimmed")  # rows that are in no phase


class RecordingError(Exception):
    """A file that is no recording, or one that was cut off."""


# The rows of one phase of one cycle.
Passage = namedtuple("Passage", "cycle phase rows")


class Recording:
    def __init__(self, path):
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except OSError as error:
            raise RecordingError(f"{path}: {error.strerror}") from error
        if not rows or not REQUIRED <= set(rows[0]):
            raise RecordingError(f"{path}: no recording of the soak: the columns {sorted(REQUIRED)} are wanted")
        try:
            self.rows = [{k: v if k in WORDS else float(v) for k, v in row.items()} for row in rows]
        except (TypeError, ValueError) as error:
            raise RecordingError(f"{path}: line {len(rows) + 1} or before is not of numbers: {error}") from error
        if self.rows[0]["phase"] != "start":
            raise RecordingError(f"{path}: the first row is no start")
        self.columns = list(rows[0])
        self.whole = self.rows[-1]["phase"] == "trimmed"
        self.base = self.rows[0]["anonymous"]
        for row in self.rows:
            row["resident"] = row["anonymous"] - self.base
            row["excess"] = row["resident"] - row["live_bytes"]
            for column in RANGE:
                row.setdefault(column, row.get("dirty_budget", 0))

    def has_heap(self):
        return "dirty_budget" in self.columns

    def cycles(self):
        return int(max(row["cycle"] for row in self.rows))

    def passages(self):
        """Every phase of every cycle, in order."""
        found = []
        for row in self.rows:
            if row["phase"] in OUTSIDE:
                continue
            if not found or (found[-1].cycle, found[-1].phase) != (row["cycle"], row["phase"]):
                found.append(Passage(row["cycle"], row["phase"], []))
            found[-1].rows.append(row)
        return found

    def row_of(self, phase):
        """The row of that name outside all phases, or None."""
        return next((row for row in self.rows if row["phase"] == phase), None)


def second_half(passage):
    """What is compared: by then a phase's load has reached its target."""
    return [row for row in passage.rows if row["share"] >= 0.5]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def grown(rows, counter):
    return rows[-1][counter] - rows[0][counter]


def condensed(recording, seconds):
    """Rows of `seconds` each, counted from the start of each phase: means of what is, the last of what grows.

    They are a recording, too.
    """
    groups, began, phase = [], 0, None
    for row in recording.rows:
        if (row["cycle"], row["phase"]) != phase:
            began, phase = row["seconds"], (row["cycle"], row["phase"])
        key = (phase, int((row["seconds"] - began) // seconds))
        if not groups or groups[-1][0] != key:
            groups.append((key, []))
        groups[-1][1].append(row)
    lines = []
    for _, rows in groups:
        line = {}
        for column in recording.columns:
            if column in WORDS or column in COUNTERS or column == "cycle":
                line[column] = rows[-1][column]
            else:
                line[column] = mean(row[column] for row in rows)
        line["budget_least"] = min(row["budget_least"] for row in rows)
        line["budget_most"] = max(row["budget_most"] for row in rows)
        lines.append(line)
    return lines


def write_condensed(recording, seconds, path):
    def text(column, value):
        if column in WORDS:
            return value
        return f"{value:.3f}" if column in ("seconds", "share") else f"{value:.0f}"

    columns = [column for column in recording.columns if column not in LEFT_OUT.union(RANGE)]
    columns += RANGE if recording.has_heap() else ()
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for line in condensed(recording, seconds):
            writer.writerow([text(column, line[column]) for column in columns])
