#!/usr/bin/python3
"""Tests of the soak's judge on recordings that are made up: each bound holds where all is well, and is broken by
the one fault that it is there for. Drawing is tested where matplotlib is."""
import csv
import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import judge  # noqa: E402
from recording import Recording, RecordingError, write_condensed  # noqa: E402
from slope import back_and_forth, slope  # noqa: E402

MIB = 1 << 20
BASE = 20 * MIB
PHASES = {"mixed": 96 * MIB, "large": 192 * MIB, "idle": 0}
SAMPLES = 40
HANGS_AFTER = 600  # seconds; a machine may be busy


def row(seconds, cycle, phase, share, **more):
    found = {
        "seconds": seconds, "cycle": cycle, "phase": phase, "share": share, "threads": 4, "threads_started": 9,
        "forks": 10, "failed_children": 0, "live_bytes": 0, "live_blocks": 0, "allocations": 5,
        "allocated_bytes": 50 * MIB * seconds, "frees": 5, "resizes": 5, "checks": 5, "rss": 0, "anonymous": BASE,
        "mappings": 60, "minor_faults": 0, "voluntary_switches": 0, "user_ms": 0, "system_ms": 0,
        "resident_live": 0, "resident_holes": 0, "resident_bins": 0, "resident_dirty": 0, "resident_metadata": 0,
        "window_opened": 0, "dirty_bytes": 0, "dirty_budget": MIB, "purged_bytes": 0, "purged_again": 0,
        "purge_calls": 0,
    }  # fmt: skip
    found.update(more)
    return found


def recorded(cycles=5, drift=0.0, budget=lambda i: 12 * MIB, again=0.0, idle=10 * MIB, end=MIB, trimmed=0,
             noise=MIB, phase_seconds=60, cut=False):
    """Rows as of a run: `drift` in bytes an hour, `again` a share of what is allocated."""
    rows, number = [row(0, 0, "start", 0)], 0
    for cycle in range(1, cycles + 1):
        for phase, live in PHASES.items():
            for i in range(SAMPLES):
                number += 1
                seconds = number * phase_seconds / SAMPLES
                wobble = noise * math.sin(number * 12.9898) + noise * math.sin(number // SAMPLES * 78.233)
                above = (idle if phase == "idle" else 0.4 * live + wobble) + drift * seconds / 3600
                rows.append(row(seconds, cycle, phase, (i + 0.5) / SAMPLES, live_bytes=live,
                                anonymous=BASE + live + above, dirty_budget=budget(number),
                                purged_bytes=again * 50 * MIB * seconds, purged_again=again * 50 * MIB * seconds))
    last = rows[-1]["seconds"]
    rows.append(row(last, cycles, "end", 0, anonymous=BASE + end))
    rows.append(row(last, cycles, "trimmed", 0, anonymous=BASE + trimmed))
    return rows[:-2] if cut else rows


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def written(self, rows, name="recording.csv", without=()):
        columns = [column for column in rows[0] if column not in without]
        with open(self.path(name), "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        return self.path(name)

    def broken(self, rows, without=()):
        """The first words of the bounds that a recording breaks."""
        findings = judge.Judge(Recording(self.written(rows, without=without))).run()
        return sorted({finding.text.split(":")[0] for finding in findings if finding.broken})


class Bounds(Files):
    def test_nothing_is_broken_where_all_is_well(self):
        self.assertEqual(self.broken(recorded()), [])
        self.assertEqual(self.broken(recorded(phase_seconds=5)), [])

    def test_more_noise_is_no_drift(self):
        self.assertEqual(self.broken(recorded(noise=8 * MIB)), [])

    def test_a_long_run_must_show_that_there_is_no_drift(self):
        self.assertEqual(self.broken(recorded(cycles=15)), [])
        self.assertEqual(self.broken(recorded(cycles=15, noise=12 * MIB)), ["drift of all phases"])

    def test_memory_that_goes_down_is_no_drift(self):
        self.assertEqual(self.broken(recorded(drift=-100 * MIB)), [])

    def test_drift(self):
        found = self.broken(recorded(drift=100 * MIB))
        self.assertIn("drift of idle", found)
        self.assertIn("drift of mixed", found)
        self.assertIn("drift of all phases", found)

    def test_drift_that_one_phase_would_hide(self):
        self.assertEqual(self.broken(recorded(cycles=12, drift=6 * MIB, noise=MIB // 4)), ["drift of all phases"])

    def thinned(self, missing):
        """The recording without the rows of the second half of these (cycle, phase), but for one far too high."""
        rows = []
        for line in recorded(cycles=6, phase_seconds=200):
            if (line["cycle"], line["phase"]) in missing and line["share"] >= 0.5:
                if line["share"] > 0.6:
                    continue
                line = line | {"anonymous": line["anonymous"] + 300 * MIB}
            rows.append(line)
        return rows

    def test_a_phase_that_was_hardly_seen_is_no_level(self):
        self.assertEqual(self.broken(self.thinned([(6, "large")])), [])

    def test_too_many_that_were_hardly_seen(self):
        missing = [(6, "large"), (6, "idle"), (5, "mixed")]
        self.assertEqual(self.broken(self.thinned(missing)), ["too few rows to compare"])

    def test_drift_in_a_short_run(self):
        self.assertIn("drift of all phases", self.broken(recorded(phase_seconds=5, drift=4000 * MIB, idle=0)))

    def test_a_first_cycle_that_grows_to_the_peak_is_no_drift(self):
        rows = recorded()
        for each in rows:
            if each["cycle"] == 1:
                each["anonymous"] -= 30 * MIB * (each["phase"] != "idle")
        self.assertEqual(self.broken(rows), [])

    def test_too_few_cycles(self):
        self.assertEqual(self.broken(recorded(cycles=2)), ["drift"])

    def test_a_budget_that_flips(self):
        found = self.broken(recorded(budget=lambda i: (12 if i % 2 else 3) * MIB))
        self.assertEqual(found, ["budget in large", "budget in mixed"])

    def test_a_budget_that_settles_is_no_oscillation(self):
        self.assertEqual(self.broken(recorded(phase_seconds=4,
                                              budget=lambda i: max(64 >> (i - 1) % SAMPLES // 6, 1) * MIB)), [])

    def test_purging_in_vain(self):
        self.assertEqual(self.broken(recorded(again=0.6)), ["purging in large", "purging in mixed"])

    def test_idle_memory_that_stays(self):
        self.assertEqual(self.broken(recorded(idle=40 * MIB)), ["idle"])

    def test_the_end(self):
        self.assertEqual(self.broken(recorded(end=8 * MIB)), ["end"])
        self.assertEqual(self.broken(recorded(trimmed=2 * MIB)), ["trimmed"])

    def test_a_run_that_was_cut_off(self):
        self.assertEqual(self.broken(recorded(cut=True)), ["the recording has no end"])

    def test_a_child_that_failed(self):
        rows = recorded()
        rows[-1]["failed_children"] = 1
        self.assertEqual(self.broken(rows), ["children"])

    def test_others_are_measured_and_not_judged(self):
        heap = ("dirty_budget", "purged_bytes", "purged_again", "purge_calls", "resident_holes", "resident_bins")
        self.assertEqual(self.broken(recorded(drift=100 * MIB, end=8 * MIB), without=heap), [])
        self.assertEqual(self.broken(recorded(cut=True), without=heap), ["the recording has no end"])


class Command(Files):
    def run_judge(self, *arguments):
        return subprocess.run([sys.executable, "-B", os.path.join(HERE, "judge.py"), *arguments],
                              capture_output=True, text=True, check=False, timeout=HANGS_AFTER)

    def test_exit_status(self):
        good = self.run_judge(self.written(recorded()))
        self.assertEqual((good.returncode, good.stdout.splitlines()[-1]), (0, "no bound broken"))
        bad = self.run_judge(self.written(recorded(end=8 * MIB)))
        self.assertEqual((bad.returncode, bad.stdout.splitlines()[-1]), (1, "1 bounds broken"))

    def test_others_are_said_to_be_measured_only(self):
        run = self.run_judge(self.written(recorded(end=8 * MIB), without=("dirty_budget",)))
        self.assertEqual((run.returncode, run.stdout.splitlines()[-1]),
                         (0, "measured, not judged: the bounds are Ashlar's"))

    def test_no_recording(self):
        for text in ("", "seconds,phase\n1,x\n", "not a table"):
            with open(self.path("other.csv"), "w", encoding="utf-8") as file:
                file.write(text)
            run = self.run_judge(self.path("other.csv"))
            self.assertEqual(run.returncode, 2, text)
            self.assertIn("other.csv", run.stderr)
        self.assertEqual(self.run_judge(self.path("none.csv")).returncode, 2)

    def test_a_line_that_is_cut(self):
        path = self.written(recorded())
        with open(path, "r+", encoding="utf-8") as file:
            file.truncate(os.path.getsize(path) - 20)
        self.assertEqual(self.run_judge(path).returncode, 2)

    def test_condensed_it_is_judged_the_same(self):
        whole = Recording(self.written(recorded()))
        write_condensed(whole, 10, self.path("short.csv"))
        short = Recording(self.path("short.csv"))
        self.assertLess(len(short.rows), len(whole.rows) / 5)
        # What grows is as at the end of the ten seconds, what is is their mean.
        last = [each for each in whole.rows if each["cycle"] == 1 and each["phase"] == "mixed"][-1]
        row = [each for each in short.rows if each["cycle"] == 1 and each["phase"] == "mixed"][-1]
        self.assertEqual(row["allocated_bytes"], last["allocated_bytes"])
        self.assertLess(row["seconds"], last["seconds"])
        self.assertEqual(self.run_judge(self.path("short.csv")).returncode, 0)


class Figures(unittest.TestCase):
    def test_a_line_without_noise(self):
        found = slope([[(x, 3 * x + 7) for x in range(5)]])
        for value in found:
            self.assertAlmostEqual(value, 3)

    def test_a_common_slope_of_different_levels(self):
        found = slope([[(x, 2 * x + 100) for x in range(4)], [(x, 2 * x - 50) for x in range(1, 5)]])
        self.assertAlmostEqual(found.value, 2)

    def test_the_interval_against_a_textbook(self):
        # Of y = 2, 3, 5, 4, 6 at x = 1 to 5: slope 0.9, standard error 0.2517, t(3) 3.182.
        found = slope([[(1, 2), (2, 3), (3, 5), (4, 4), (5, 6)]])
        self.assertAlmostEqual(found.value, 0.9)
        self.assertAlmostEqual(found.low, 0.9 - 3.182 * 0.251661, places=4)

    def test_too_little_for_a_slope(self):
        self.assertIsNone(slope([[(1, 2), (2, 3)]]))
        self.assertIsNone(slope([]))

    def test_back_and_forth(self):
        self.assertEqual(back_and_forth([1, 2, 3, 4]), 0)
        self.assertEqual(back_and_forth([4, 3, 1]), 0)
        self.assertEqual(back_and_forth([1, 3, 1]), (4 - 0) / (5 / 3))


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "needs python3-matplotlib")
class Drawing(Files):
    def test_a_picture(self):
        command = [sys.executable, "-B", os.path.join(HERE, "draw.py"), "--out", self.path("soak.svg"),
                   self.written(recorded()), "other=" + self.written(recorded(), "other.csv", without=("dirty_budget",))]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGS_AFTER)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        with open(self.path("soak.svg"), encoding="utf-8") as file:
            picture = file.read()
        for word in ("resident, Ashlar", "resident, other", "budget for free pages", "mixed"):
            self.assertIn(word, picture)

    def test_only_ashlar_has_a_budget_to_draw(self):
        command = [sys.executable, "-B", os.path.join(HERE, "draw.py"), "--out", self.path("soak.svg"),
                   self.written(recorded(), without=("dirty_budget",))]
        self.assertEqual(subprocess.run(command, capture_output=True, check=False, timeout=HANGS_AFTER).returncode, 2)


if __name__ == "__main__":
    unittest.main()
