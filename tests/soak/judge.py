#!/usr/bin/python3
"""Judges a recording of the soak: no drift, no oscillation of the purge budget, memory back when idle.

  judge.py RECORDING.csv [--condense SHORTER.csv]

Bounds are on bytes and counts, never on time, so that a slow machine breaks none. Prints what it measured and
each bound; exit status 1 when one is broken, 2 for a file that is no recording. Contents and children are the
program's own to check; a recording without its last row is of a run that was cut off, and is broken.

A recording under an allocator without Ashlar's statistics is measured, and only its children and end are judged:
the bounds are Ashlar's promises.
"""
import argparse
import sys
from collections import namedtuple
from statistics import median

from recording import Recording, RecordingError, grown, mean, second_half, write_condensed
from slope import back_and_forth, slope

MIB = 1 << 20
CONDENSED_SECONDS = 10
# Why each bound is what it is: docs/soak.md.
FIRST_CYCLE = 2  # the first one still grows to the peak of the load
DRIFT_ONE = 4 * MIB  # of one phase, over the cycles that are compared
DRIFT_ONE_SHARE = 0.05  # or this share of its resident memory, whichever is more
DRIFT_ALL = 2 * MIB  # of all phases together
SEEN = 0.5  # of the rows that the second half of a phase usually has; with fewer it is not compared
UNSEEN_MOST = 0.1  # of all phases of all cycles that may be so
LONG = 0.5  # hours compared, from which on the drift of all phases must be shown to be within its bound
BACK_AND_FORTH = 0.4  # of the mean budget, a second, in a phase of steady load
SETTLED = 0.25  # share of a phase after which the budget is looked at
TAKEN_BACK = 0.5  # of what was allocated in a phase of steady load: purged and soon taken again
IDLE = 32 * MIB
END = 4 * MIB
TRIMMED = 1 * MIB
CHANGING = ("ramp", "idle", "burst")  # phases whose load is not steady (kCycle in phases.cc)
LEDGER = ("resident_holes", "resident_bins", "resident_dirty", "resident_metadata", "mappings", "window_opened")

Finding = namedtuple("Finding", "broken text")


def mib(value):
    return f"{value / MIB:.2f} MiB"


def an_hour(line, count=False):
    unit = "{:.1f}".format if count else mib
    return f"{unit(line.value)} an hour ({unit(line.low)} to {unit(line.high)})"


class Judge:
    def __init__(self, recording):
        self.recording = recording
        passages = recording.passages()
        usual = {phase: median(len(second_half(p)) for p in passages if p.phase == phase)
                 for phase in {p.phase for p in passages}}
        self.passages = [p for p in passages if second_half(p) and len(second_half(p)) >= SEEN * usual[p.phase]]
        self.unseen = [p for p in passages if p not in self.passages]
        self.later = [p for p in self.passages if p.cycle >= FIRST_CYCLE]
        self.phases = list(dict.fromkeys(p.phase for p in self.passages))
        self.findings = []
        self.own = recording.has_heap()

    def find(self, broken, text):
        self.findings.append(Finding(broken and self.own, text))

    def tell(self, text):
        self.findings.append(Finding(False, text))

    def points(self, column, phase):
        """(hours, mean of the second half) of a phase, cycle by cycle."""
        found = []
        for passage in self.later:
            rows = second_half(passage)
            if passage.phase == phase:
                found.append((mean(r["seconds"] for r in rows) / 3600, mean(r[column] for r in rows)))
        return found

    def hours_compared(self):
        rows = self.later
        return (rows[-1].rows[-1]["seconds"] - rows[0].rows[0]["seconds"]) / 3600

    def run(self):
        self.whole()
        self.seen()
        self.memory()
        if self.later and self.later[-1].cycle > FIRST_CYCLE:
            self.drift()
        else:
            self.find(True, f"drift: {self.recording.cycles()} cycles are too few to compare: 3 at least")
        if self.own:
            self.budget()
        self.idle()
        self.ends()
        return self.findings

    def whole(self):
        """Whatever the allocator."""
        last = self.recording.rows[-1]
        self.findings.append(Finding(not self.recording.whole, "the run came to its end" if self.recording.whole
                                     else "the recording has no end: the run was stopped"))
        self.findings.append(Finding(last["failed_children"] > 0,
                                     f"children: {last['failed_children']:.0f} of {last['forks']:.0f} failed"))
        self.tell(f"work: {last['allocations'] / 1e6:.1f} million allocations, {last['resizes'] / 1e6:.1f} million "
                  f"resizes, {last['checks'] / 1e6:.1f} million blocks checked, "
                  f"{last['threads_started']:.0f} threads started")

    def seen(self):
        """A mean of a row or two, of a machine that stood still, would be taken for a level."""
        if not self.unseen:
            return
        names = ", ".join(f"{p.phase} of cycle {p.cycle:.0f} ({len(second_half(p))} rows)" for p in self.unseen)
        share = len(self.unseen) / (len(self.unseen) + len(self.passages))
        self.find(share > UNSEEN_MOST, f"too few rows to compare: {names}; bound {UNSEEN_MOST:.0%} of all phases")

    def memory(self):
        rows = [row for passage in self.passages for row in passage.rows]
        if not rows:
            return
        resident, live = mean(row["resident"] for row in rows), mean(row["live_bytes"] for row in rows)
        share = (grown(rows, "user_ms") + grown(rows, "system_ms")) / 1000 / max(grown(rows, "seconds"), 1)
        self.tell(f"memory: {mib(resident)} resident and {mib(live)} live in the mean, {resident / live:.2f} times; "
                  f"peak {mib(max(row['resident'] for row in rows))}; {share:.1%} of a processor used")

    def drift(self):
        hours = self.hours_compared()
        for phase in self.phases:
            line = slope([self.points("excess", phase)])
            if line is not None:
                size = mean(y for _, y in self.points("resident", phase))
                self.judge_slope(phase, line, max(DRIFT_ONE, DRIFT_ONE_SHARE * size) / hours)
        self.drift_of_all(hours)

    def judge_slope(self, what, line, bound, to_show=False):
        """Drift is what is sure to exceed the bound, or, `to_show`, what isn't sure to be within it."""
        hidden = line.low <= bound < line.high
        text = f"drift of {what}: {an_hour(line)}, bound {mib(bound)}"
        self.find(line.low > bound or (to_show and hidden),
                  text + ("; too noisy to show that it is within" if hidden else ""))

    def drift_of_all(self, hours):
        def common(column):
            return slope([self.points(column, phase) for phase in self.phases])

        line = common("excess")
        if line is not None:
            self.judge_slope("all phases", line, DRIFT_ALL / hours, to_show=hours >= LONG)
        for column in LEDGER:
            line = common(column) if column in self.recording.columns else None
            if line is not None:
                self.tell(f"  of that, {column}: {an_hour(line, count=column == 'mappings')}")

    def budget(self):
        for phase in (phase for phase in self.phases if phase not in CHANGING):
            passages = [p for p in self.later if p.phase == phase]
            way = seconds = again = purged = allocated = 0
            for passage in passages:
                settled = [row for row in passage.rows if row["share"] >= SETTLED]
                way += back_and_forth([row["dirty_budget"] for row in settled])
                seconds += grown(settled, "seconds")
                rows = second_half(passage)
                again += grown(rows, "purged_again")
                purged += grown(rows, "purged_bytes")
                allocated += grown(rows, "allocated_bytes")
            if seconds == 0 or allocated == 0:
                continue
            self.find(way / seconds > BACK_AND_FORTH,
                      f"budget in {phase}: back and forth by {way / seconds:.2f} of its mean a second, "
                      f"bound {BACK_AND_FORTH}")
            self.find(again > TAKEN_BACK * allocated,
                      f"purging in {phase}: of what was allocated {purged / allocated:.1%} was purged, "
                      f"{again / allocated:.1%} purged and soon taken back, bound {TAKEN_BACK:.0%}")

    def idle(self):
        rests = [mean(row["excess"] for row in second_half(p)) for p in self.passages if p.phase == "idle"]
        if rests:
            self.find(max(rests) > IDLE, f"idle: {mib(max(rests))} above the start and live at most, "
                                         f"bound {mib(IDLE)}")

    def ends(self):
        for phase, bound in (("end", END), ("trimmed", TRIMMED)):
            row = self.recording.row_of(phase)
            if row is not None:
                self.find(row["excess"] > bound, f"{phase}: {mib(row['excess'])} above the start, bound {mib(bound)}")


def main():
    parser = argparse.ArgumentParser(description="Judges a recording of the soak. See docs/soak.md.")
    parser.add_argument("recording")
    parser.add_argument("--condense", metavar="SHORTER.csv", help="also write it as means of ten seconds")
    options = parser.parse_args()
    try:
        recording = Recording(options.recording)
        findings = Judge(recording).run()
        if options.condense:
            write_condensed(recording, CONDENSED_SECONDS, options.condense)
    except (RecordingError, OSError) as error:
        print(f"judge.py: {error}", file=sys.stderr)
        return 2
    for finding in findings:
        print(("BROKEN  " if finding.broken else "        ") + finding.text)
    broken = sum(finding.broken for finding in findings)
    whole = "no bound broken" if recording.has_heap() else "measured, not judged: the bounds are Ashlar's"
    print(f"{broken} bounds broken" if broken else whole)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
