"""memcached with four threads: set, changed, read back and deleted by several connections at once, every
answer checked against a dictionary; then more than it may hold, so that it evicts. Over a unix socket in the
scratch directory."""

import os
import random
import threading

import harness
import server
from unix_client import UnixClient

CLIENTS = 6
KEYS = 3000      # for each client
ROUNDS = 15000   # operations of each client
MEGABYTES = 256  # more than the first part needs


class Client(UnixClient):
    """The little of the text protocol that the test needs."""

    def command(self, text, data=None):
        self.socket.sendall(text.encode() + b"\r\n" + (b"" if data is None else data + b"\r\n"))
        return self.file.readline().rstrip(b"\r\n")

    def get(self, *keys):
        """What there is of the keys, as a dictionary."""
        line, found = self.command("get " + " ".join(keys)), {}
        while line != b"END":
            word, key, _, size = line.split(b" ")
            if word != b"VALUE":
                raise harness.Failure(f"memcached answers {line!r} to get")
            found[key.decode()] = self.file.read(int(size) + 2)[:-2]
            line = self.file.readline().rstrip(b"\r\n")
        return found

    def stats(self):
        line, found = self.command("stats"), {}
        while line != b"END":
            _, name, value = line.decode().split(" ", 2)
            found[name] = value
            line = self.file.readline().rstrip(b"\r\n")
        return found


def expect(answer, wanted, what):
    if answer != wanted:
        raise harness.Failure(f"memcached answers {answer!r} to {what}, not {wanted!r}")


class Work:
    """One connection and the dictionary of what it must find."""

    def __init__(self, path, number):
        self.client, self.number = Client(path), number
        self.random = random.Random(number)
        self.kept, self.counts = {}, {"get_hits": 0, "get_misses": 0, "cmd_set": 0}

    def set(self, word, key, data):
        expect(self.client.command(f"{word} {key} 0 0 {len(data)}", data), b"STORED", word)
        self.counts["cmd_set"] += 1

    def step(self):
        key = f"client{self.number}:{self.random.randrange(KEYS)}"
        what = self.random.random()
        old = self.kept.get(key)
        if what < 0.4 or old is None:
            data = self.random.randbytes(int(2 ** self.random.uniform(0, 18 if self.random.random() < 0.01 else 12)))
            self.set("set", key, data)
            self.kept[key] = data
        elif what < 0.5 and len(old) < 100_000:
            more = self.random.randbytes(self.random.randrange(300))
            self.set("append", key, more)
            self.kept[key] = old + more
        elif what < 0.6:
            expect(self.client.command("delete " + key), b"DELETED", "delete")
            del self.kept[key]
        else:
            self.read([key, *(f"client{self.number}:{self.random.randrange(KEYS)}" for _ in range(5))])

    def read(self, keys):
        keys = list(dict.fromkeys(keys))
        found, wanted = self.client.get(*keys), {key: self.kept[key] for key in keys if key in self.kept}
        if found != wanted:
            wrong = [key for key in keys if found.get(key) != wanted.get(key)]
            raise harness.Failure(f"memcached has something else under {', '.join(wrong)}")
        self.counts["get_hits"] += len(wanted)
        self.counts["get_misses"] += len(keys) - len(wanted)

    def count_up(self):
        key = f"counter{self.number}"
        self.set("set", key, b"0")
        for number in range(1, 500):
            expect(self.client.command(f"incr {key} 3"), str(number * 3).encode(), "incr")
        self.kept[key] = str(499 * 3).encode()

    def run(self):
        for _ in range(ROUNDS):
            self.step()
        self.count_up()
        keys = sorted(self.kept)
        for place in range(0, len(keys), 50):
            self.read(keys[place: place + 50])


def at_once(works, errors):
    """Each in a thread of its own; the first failure is the test's."""
    def guarded(work):
        try:
            work()
        except (harness.Failure, OSError, ValueError) as error:
            errors.append(error)
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise harness.Failure(f"{len(errors)} clients failed, the first by: {errors[0]}")


def evict(path, number):
    """Far more than fits; what is found must be what was written."""
    client, source = Client(path), random.Random(1000 + number)
    written = {}
    for place in range(600):
        key, data = f"big{number}:{place}", source.randbytes(1000) * source.randrange(1, 900)
        expect(client.command(f"set {key} 0 0 {len(data)}", data), b"STORED", "set")
        written[key] = data
    for key, data in written.items():
        if client.get(key).get(key, data) != data:
            raise harness.Failure(f"memcached has something else under {key}")
    client.close()


def session(bench, name, served):
    folder = bench.folder(name)
    path = os.path.join(folder, "socket")
    argv = ["memcached", "-s", path, "-t", "4", "-m", str(MEGABYTES), "-c", "200", "-I", "2m"]
    daemon = server.Server(bench, argv + (["-u", "root"] if os.geteuid() == 0 else []),
                           os.path.join(folder, "log"), served)
    client = daemon.wait_for(lambda: Client(path))
    works = [Work(path, number) for number in range(CLIENTS)]
    at_once([work.run for work in works], [])
    stats = client.stats()
    wanted = {key: sum(work.counts[key] for work in works) for key in works[0].counts}
    wanted["curr_items"] = sum(len(work.kept) for work in works)
    wanted["evictions"] = 0
    for key, value in wanted.items():
        if int(stats[key]) != value:
            raise harness.Failure(f"memcached counts {stats[key]} {key}, not {value}")
    for work in works:
        work.client.close()
    at_once([lambda number=number: evict(path, number) for number in range(4)], [])
    evictions = int(client.stats()["evictions"])
    if evictions == 0:
        raise harness.Failure("memcached evicted nothing, though more was written than it may hold")
    expect(client.command("flush_all"), b"OK", "flush_all")
    if client.get(*works[0].kept):
        raise harness.Failure("memcached still has something after flush_all")
    client.close()
    daemon.stop()
    harness.say(f"{name}: {wanted['cmd_set']} writes and {wanted['get_hits']} values read back, "
                f"{evictions} evictions")
    return wanted


def test(bench):
    harness.need("memcached")
    if session(bench, "plain", False) != session(bench, "served", True):
        raise harness.Failure("other counts than without the library")
    bench.check_who("memcached")


harness.main(test)
