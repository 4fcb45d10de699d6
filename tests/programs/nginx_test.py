"""nginx with several workers under wrk, both under the library: static files, gzip, a proxy with buffers; a
reload in the middle. No request may fail, and every body is what is in the file."""

import gzip
import hashlib
import http.client
import os
import random
import re
import signal
import socket
import time

import harness
import server

WORKERS = 3
SECONDS = 4  # of each run of wrk
SIZES = (0, 1, 100, 1000, 4095, 4096, 4097, 20_000, 70_000, 300_000, 1_500_000)

CONFIG = """
{user}
daemon off;
master_process on;
worker_processes {workers};
pid {folder}/pid;
error_log stderr notice;
worker_shutdown_timeout 20s;
events {{ worker_connections 500; }}
http {{
  access_log {folder}/access.log combined buffer=32k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  types {{ text/plain txt; application/octet-stream bin; }}
  gzip on; gzip_types text/plain application/octet-stream; gzip_min_length 50; gzip_comp_level 4;
  gzip_proxied any;
  keepalive_requests 200;
  upstream behind {{ server unix:{folder}/behind; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    root {folder}/files;
    location / {{ sendfile on; open_file_cache max=20 inactive=1s; }}
    location /read/ {{ alias {folder}/files/; sendfile off; output_buffers 3 24k; }}
    location /proxy/ {{ proxy_pass http://behind/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffers 6 8k; proxy_buffer_size 8k; proxy_set_header Accept-Encoding ""; }}
    location /upload {{ client_max_body_size 8m; client_body_buffer_size 16k; proxy_pass http://behind/files; }}
  }}
  server {{
    listen unix:{folder}/behind;
    root {folder}/files; sendfile off; gzip off;
    location /files {{ client_max_body_size 8m; client_body_in_file_only clean; return 200 "got $content_length\\n"; }}
  }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_files(folder):
    """Names and contents: text that can be packed and bytes that can't."""
    source = random.Random(11)
    files = {}
    for size in SIZES:
        files[f"{size}.bin"] = source.randbytes(size)
        files[f"{size}.txt"] = "".join(f"line {source.randrange(1000)}\n" for _ in range(size // 9)).encode()
    os.makedirs(folder, exist_ok=True)
    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    return files


def get(port, path, headers=None, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status not in (200, 206):
        raise harness.Failure(f"nginx answers {answer.status} to {path}")
    return answer, data


def read_all(port, files):
    """Every file in every way; returns a digest of all answers as they came over the wire."""
    total = hashlib.sha256()
    for name, data in files.items():
        for place in ("", "read/", "proxy/"):
            for headers in ({}, {"Accept-Encoding": "gzip"}):
                answer, body = get(port, f"/{place}{name}", headers)
                total.update(body)
                packed = answer.getheader("Content-Encoding") == "gzip"
                if packed != ("Accept-Encoding" in headers and len(data) >= 50):
                    raise harness.Failure(f"nginx sent /{place}{name} {'' if packed else 'not '}packed")
                if (gzip.decompress(body) if packed else body) != data:
                    raise harness.Failure(f"nginx sent another /{place}{name} than is in the file")
        if len(data) > 10:
            _, body = get(port, f"/{name}", {"Range": f"bytes=5-{len(data) - 3}"})
            if body != data[5:-2]:
                raise harness.Failure(f"nginx sent another range of /{name}")
    for size in (1, 20_000, 3_000_000):
        _, body = get(port, "/upload", method="POST", body=os.urandom(size))
        if body != b"got %d\n" % size:
            raise harness.Failure(f"nginx answers {body!r} to an upload of {size} bytes")
    return total.hexdigest()


class Wrk:
    """wrk in the background; returns the number of its requests, none of which may have failed."""

    def __init__(self, bench, served, url, *headers):
        argv = ["wrk", "-t", "2", "-c", "24", "-d", f"{SECONDS}s", "--timeout", "30s"]
        for header in headers:
            argv += ["-H", header]
        self.bench, self.started, self.url = bench, None, url
        start = bench.start_served if served else bench.start_plain
        self.process = start(argv + [url], **harness.pipes(None, {}))
        if served:
            self.started, self.process = self.process, self.process.process

    def finish(self):
        done = self.bench.finish(self.process, "wrk", SECONDS + 60)
        if self.started:
            self.bench.check_answer(self.started)
        text = done.stdout.decode()
        count = re.search(r"(\d+) requests in", text)
        if done.returncode != 0 or done.stderr or not count or int(count.group(1)) == 0:
            raise harness.Failure(f"wrk {self.url}: status {done.returncode}:\n{text}{done.stderr.decode()}")
        if "Non-2xx" in text or "Socket errors" in text:
            raise harness.Failure(f"wrk {self.url}: requests failed:\n{text}")
        return int(count.group(1))


def workers(daemon):
    return set(daemon.children())


def reload(daemon):
    """A new set of workers; the old ones end by themselves."""
    old = workers(daemon)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for(lambda: len(workers(daemon) - old) == WORKERS)
    return old


class Nginx(server.Server):
    """nginx with its configuration, on a port that was free a moment ago."""

    def __init__(self, bench, name, served):
        folder = bench.folder(name)
        self.port = free_port()
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=folder, port=self.port, workers=WORKERS,
                                     user="user root;" if os.geteuid() == 0 else ""))
        self.files = make_files(os.path.join(folder, "files"))
        nginx, = harness.need("nginx", folders=("/usr/sbin",))
        super().__init__(bench, [nginx, "-p", folder, "-c", config, "-e", "stderr"],
                         os.path.join(folder, "log"), served)
        self.wait_for(lambda: get(self.port, "/1.bin"))

    def wrk(self, path, *headers):
        return Wrk(self.bench, self.served, f"http://127.0.0.1:{self.port}{path}", *headers)


def start(bench, name, served):
    """The port may have been taken since it was looked for: then another."""
    for _ in range(3):
        try:
            return Nginx(bench, name, served)
        except harness.Failure as reason:
            if "Address already in use" not in str(reason):
                raise
    raise harness.Failure("nginx found no free port three times")


def session(bench, name, served):
    daemon = start(bench, name, served)
    seen = workers(daemon)
    if len(seen) != WORKERS:
        raise harness.Failure(f"{len(seen)} workers, not {WORKERS}:\n{daemon.log_text()}")
    digest, requests = read_all(daemon.port, daemon.files), 0
    for path in ("/20000.txt", "/read/70000.bin", "/proxy/300000.txt", "/proxy/1.bin"):
        requests += daemon.wrk(path, "Accept-Encoding: gzip").finish()
    # A connection for each request: with kept ones, a worker that ends may close one that has just been used
    # again, and that request fails whoever serves nginx's memory.
    wrk = daemon.wrk("/read/4097.txt", "Accept-Encoding: gzip", "Connection: close")
    old = set()
    for _ in range(3):
        time.sleep(SECONDS / 5)
        old |= reload(daemon)
        seen |= workers(daemon)
    requests += wrk.finish()
    daemon.wait_for(lambda: not workers(daemon) & old)
    if read_all(daemon.port, daemon.files) != digest:
        raise harness.Failure("nginx sends other bytes after it was reloaded")
    daemon.stop(signal.SIGQUIT)
    for line in daemon.log_text(10**8).splitlines():
        if re.search(r"\[(alert|crit|emerg|error)\]|exited on signal", line):
            raise harness.Failure(f"nginx logs: {line}")
    if served:
        bench.check_forks(seen)
    harness.say(f"{name}: {requests} requests by wrk, none failed; {len(seen)} workers in 4 generations")
    return digest


def test(bench):
    harness.need("nginx", folders=("/usr/sbin",))
    harness.need("wrk")
    bench.forks = True
    if session(bench, "plain", False) != session(bench, "served", True):
        raise harness.Failure("other bytes over the wire than without the library")
    bench.check_who("nginx", "wrk")


harness.main(test)
