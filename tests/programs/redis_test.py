"""redis-server under redis-benchmark: data written, changed, read back, saved by a forked child, loaded
again, and the same digest as without the library. Everything over a unix socket in the scratch directory.

Debian's redis-server links jemalloc; that the preloaded library comes first is asserted in the process.
"""

import argparse
import os
import random
import time

import harness
import server
from unix_client import UnixClient

STRINGS = 4000
REQUESTS = 10000
BENCHMARK = ["-c", "20", "-P", "8", "-r", "5000", "-d", "300", "-q", "--dbnum", "1", "-t",
             "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset"]


class Client(UnixClient):
    """The little of the Redis protocol that reading back needs."""

    def __call__(self, *words):
        self.socket.sendall(encode(words))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        raise harness.Failure(f"redis answers {line!r}")

    def info(self, section):
        lines = self("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


def encode(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def make_data():
    """The same data for every run: strings of 1 B to 200 KB, hashes, lists, sets and sorted sets."""
    source = random.Random(20240229)
    strings = {}
    for number in range(STRINGS):
        size = int(2 ** source.uniform(0, 13 if number % 50 else 17.6))
        strings[f"string:{number}"] = source.randbytes(size)
    others = []
    for number in range(60):
        count = 1 + number * 7
        words = [source.randbytes(source.randint(1, 150)).hex() for _ in range(count)]
        others.append(["HSET", f"hash:{number}", *(x for i, w in enumerate(words) for x in (f"field{i}", w))])
        others.append(["RPUSH", f"list:{number}", *words])
        others.append(["SADD", f"set:{number}", *words])
        others.append(["ZADD", f"sorted:{number}", *(x for i, w in enumerate(words) for x in (i % 17, w))])
    return strings, others


class Redis(server.Server):
    """One redis-server in a directory of its own, with or without the library."""

    def __init__(self, bench, name, served):
        directory = bench.folder(name)
        self.path = os.path.join(directory, "socket")
        argv = ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", directory,
                "--save", "", "--appendonly", "no", "--daemonize", "no", "--databases", "4",
                "--io-threads", "2", "--io-threads-do-reads", "yes", "--enable-debug-command", "local"]
        super().__init__(bench, argv, os.path.join(directory, "log"), served)
        self.client = self.wait_for(self._connect)
        if served:
            bench.check_who("redis-server")

    def _connect(self):
        client = Client(self.path)
        try:
            return client if client("PING") == b"PONG" else None
        except harness.Failure:
            return None  # loading its file

    def tool(self, *argv, text=None):
        """redis-cli or redis-benchmark, under the library when the server is."""
        run = self.bench.run_served if self.served else self.bench.run_plain
        done = run([argv[0], "-s", self.path, *argv[1:]], text=text, timeout=120)
        if done.returncode != 0:
            raise harness.Failure(f"{argv[0]}: status {done.returncode}:\n{done.stderr.decode()[-2000:]}")
        return done.stdout

    def stop(self, *arguments, **options):
        self.client.close()
        super().stop(*arguments, **options)  # a clean shutdown: nothing to save
        if "bye bye" not in self.log_text():
            raise harness.Failure(f"redis-server did not end as it does:\n{self.log_text()}")


def load(daemon, strings, others):
    stream = b"".join(encode(["SET", key, value]) for key, value in strings.items())
    stream += b"".join(encode(words) for words in others)
    answer = daemon.tool("redis-cli", "--pipe", text=stream)
    if b"errors: 0, replies: %d" % (len(strings) + len(others)) not in answer:
        raise harness.Failure(f"redis-cli --pipe: {answer.decode()}")


def change(client, strings):
    """Frees, grows, shrinks and overwrites; returns what must now be read."""
    expected = dict(strings)
    for number, (key, value) in enumerate(strings.items()):
        if number % 5 == 0:
            client("UNLINK" if number % 2 else "DEL", key)
            del expected[key]
        elif number % 5 == 1:
            client("APPEND", key, value[:100])
            expected[key] = value + value[:100]
        elif number % 5 == 2:
            client("SET", key, value[: len(value) // 2 + 1])
            expected[key] = value[: len(value) // 2 + 1]
    return expected


def read_back(client, expected, others):
    for key, value in expected.items():
        found = client("GET", key)
        if found != value:
            raise harness.Failure(f"{key}: {len(value)} bytes written, others read: {found and found[:60]!r}")
    for command, key, *words in others:
        if command == "RPUSH" and client("LRANGE", key, 0, -1) != [word.encode() for word in words]:
            raise harness.Failure(f"{key}: another list than was written")
        if command == "HSET" and client("HGETALL", key) is None:
            raise harness.Failure(f"{key}: no hash")
    if client("DBSIZE") != len(expected) + len(others):
        raise harness.Failure(f"{client('DBSIZE')} keys, not {len(expected) + len(others)}")


def save_while_loaded(daemon):
    """BGSAVE forks while redis-benchmark runs; the child must write the file and end well."""
    argv = ["redis-benchmark", "-s", daemon.path, "-n", str(REQUESTS * daemon.bench.options.rounds), *BENCHMARK]
    started = daemon.bench.start_served(argv, **harness.pipes(None, {})) if daemon.served else None
    process = started.process if started else daemon.bench.start_plain(argv, **harness.pipes(None, {}))
    saves = 0
    while saves < 3 or process.poll() is None:
        daemon.client("BGSAVE")
        while daemon.client.info("persistence")["rdb_bgsave_in_progress"] != "0":
            time.sleep(0.02)
        if daemon.client.info("persistence")["rdb_last_bgsave_status"] != "ok":
            raise harness.Failure(f"BGSAVE failed:\n{daemon.log_text()}")
        saves += 1
        time.sleep(0.1)
    done = daemon.bench.finish(process, "redis-benchmark", 120 * daemon.bench.options.rounds)
    if started:
        daemon.bench.check_answer(started)
    if done.returncode != 0 or b"requests per second" not in done.stdout:
        raise harness.Failure(f"redis-benchmark: status {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    return saves


def session(bench, name, served):
    """The whole of it; returns the digest of the data at the end."""
    strings, others = make_data()
    daemon = Redis(bench, name, served)
    load(daemon, strings, others)
    expected = change(daemon.client, strings)
    saves = save_while_loaded(daemon)
    read_back(daemon.client, expected, others)
    daemon.client("SELECT", 1)
    daemon.client("FLUSHDB", "ASYNC")  # freed by another thread
    daemon.client("SELECT", 0)
    digest = daemon.client("DEBUG", "DIGEST")
    daemon.client("BGSAVE")
    while daemon.client.info("persistence")["rdb_bgsave_in_progress"] != "0":
        time.sleep(0.02)
    daemon.stop()
    again = Redis(bench, name, served)
    read_back(again.client, expected, others)
    if again.client("DEBUG", "DIGEST") != digest:
        raise harness.Failure("another digest after the file was loaded again")
    again.stop()
    harness.say(f"{name}: {len(expected)} strings and {len(others)} other keys read back twice, {saves} saves "
                f"under load, digest {digest.decode()[:16]}…")
    return digest


def test(bench):
    harness.need("redis-server", "redis-cli", "redis-benchmark")
    bench.forks = True
    plain = session(bench, "plain", served=False)
    served = session(bench, "served", served=True)
    if plain != served:
        raise harness.Failure("another digest than without the library")
    bench.check_who("redis-server", "redis-cli", "redis-benchmark")
    if bench.check_forks() < 4:
        raise harness.Failure("the children that saved have not said who serves them")


PARSER = argparse.ArgumentParser()
PARSER.add_argument("--rounds", type=int, default=1, help="times the usual number of requests")
harness.main(test, PARSER)
