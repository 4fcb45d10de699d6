"""An allocation-heavy Python program for the demo: records built, indexed, sorted, thinned out and grown
again, as JSON and back; then all of it is dropped. Prints `loaded` and waits for its input to end."""
import gc
import json
import random
import sys

random.seed(1)


def record(number):
    return {
        "id": number,
        "name": "n" * random.randrange(5, 60),
        "tags": [str(random.random()) for _ in range(random.randrange(6))],
        "nested": {"a": (number, number + 1), "b": b"x" * random.randrange(10, 300)},
    }


def work():
    records = [record(i) for i in range(60000)]
    for generation in range(3):
        index = {r["name"] + str(r["id"]): r for r in records}
        text = json.dumps([{k: v for k, v in r.items() if k != "nested"} for r in records[::3]])
        copies = json.loads(text)
        records.sort(key=lambda r: r["name"])
        # One in five survives among those that go; the next generation's blocks are longer.
        records = [r for r in records if random.random() < 0.2]
        for r in records:
            r["more"] = "y" * random.randrange(100, 2000)
        records += [record(i * 7) for i in range(40000)]
        del index, text, copies
        print("generation", generation, len(records), file=sys.stderr)


work()
gc.collect()
print("loaded", flush=True)
sys.stdin.read()
