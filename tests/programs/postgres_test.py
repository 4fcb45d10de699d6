"""PostgreSQL, as a user of its own: initdb, pgbench with several clients and all three protocols, its sums
checked; the same tables, queries (parallel ones too) and dump with and without the library. Every process that
the server forks is asked who serves it. Over a unix socket in the scratch directory."""

import glob
import os
import pwd
import re
import shutil
import signal

import harness
import server

USERS = ("postgres", "nobody")  # for root, as whom PostgreSQL refuses to run
SECONDS = 300
FOLDERS = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
SETTINGS = {
    "listen_addresses": "", "fsync": "off", "autovacuum_naptime": "1s", "max_connections": "30",
    "shared_buffers": "16MB", "work_mem": "1MB", "maintenance_work_mem": "2MB", "max_wal_size": "64MB",
    "max_parallel_workers_per_gather": "3", "parallel_setup_cost": "0", "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0", "min_parallel_index_scan_size": "0", "jit": "off",
    # Each process says when it ends: so the log lists them all.
    "log_min_messages": "debug3", "log_line_prefix": "%p <%b> ",
}
KINDS = ("client backend", "parallel worker", "checkpointer", "background writer", "walwriter",
         "autovacuum launcher", "autovacuum worker")

TABLES = """
create table person (id int primary key, name text, town int, born date, note jsonb);
insert into person select i, md5(i::text), i * 31 % 500, date '1900-01-01' + i % 40000,
  jsonb_build_object('n', i, 'list', to_jsonb(array(select generate_series(1, i % 7))), 'text', repeat('x', i % 300))
  from generate_series(1, 60000) i;
create index on person (town, born); create index on person using gin (note jsonb_path_ops);
create index on person using gist (point(id % 100, town));
create table word (id serial, line text, search tsvector);
insert into word (line, search) select l, to_tsvector('english', l) from
  (select string_agg(md5((i * j)::text), ' ') || ' houses running' as l from generate_series(1, 3000) i,
   generate_series(1, 8) j group by i order by i) t;
analyze;
"""
QUERIES = """
select town, count(*), min(name), sum(length(note::text)) from person group by town order by 4 desc, 1 limit 20;
select * from (select id, town, rank() over w, sum(id) over w, lag(name) over w from person
  window w as (partition by town order by born, id)) t where rank < 3 and town % 50 = 7;
select count(*) from person a join person b on a.town = b.town and a.born = b.born and a.id < b.id;
select count(*) from person where note @> '{"list": [5]}';
select count(*), md5(string_agg(line, ',' order by id)) from word where search @@ to_tsquery('house & run');
select md5(string_agg(name, ',' order by name desc)) from person;
with recursive t(n, s) as (select 1, 'x' union all select n + 1, s || n from t where n < 2000)
  select length(s), md5(s) from t order by n desc limit 1;
select id, regexp_replace(name, '([a-f])(\\d)', '\\2\\1', 'g') from person where id % 5000 = 0 order by id;
select xmlelement(name town, xmlattributes(town as id), xmlagg(xmlelement(name p, id) order by id)) from person
  where town = 3 and id < 3000 group by town;
do $$ declare a text[] = '{}'; begin for i in 1..20000 loop a[i] = repeat('y', i % 50); end loop;
  raise notice '% %', array_length(a, 1), md5(array_to_string(a, ',')); end $$;
begin; delete from person where town > 100; select count(*) from person; rollback;
update person set note = note || '{"changed": true}' where id % 4 = 0;
delete from person where id % 5 = 1;
vacuum (parallel 2) person;
select count(*), sum(id), md5(string_agg(note::text, '' order by id)) from person;
"""
SUMS = """select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches),
  (select sum(tbalance) from pgbench_tellers), (select sum(delta) from pgbench_history),
  (select count(*) from pgbench_history)"""
PARALLEL = "explain (analyze, costs off, timing off, summary off) select town, count(*) from person group by town"


class Account:
    """Whom PostgreSQL runs as: somebody else when the test is root's."""

    def __init__(self, bench):
        self.popen = {}
        if os.geteuid() != 0:
            return
        known = {user.pw_name: user for user in pwd.getpwall()}
        user = next((known[name] for name in USERS if name in known), None)
        if user is None:
            raise harness.Skip("root cannot run PostgreSQL, and there is no user " + " or ".join(USERS))
        self.popen = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # The scratch directory is to be passed, what is in it is to be the user's.
        os.chmod(bench.scratch, 0o711)
        for name in ("who", "home", "tmp", "plain", "served"):
            os.chown(bench.folder(name), user.pw_uid, user.pw_gid)
        # The build directory may be closed to that user.
        for option in ("library", "who"):
            copy = shutil.copy(os.path.realpath(getattr(bench.options, option)),
                               os.path.join(bench.scratch, f"lib{option}.so"))
            os.chmod(copy, 0o755)
            setattr(bench.options, option, copy)


class Postgres(server.Server):
    """A new cluster and its server."""

    def __init__(self, bench, account, programs, name, served):
        self.bench, self.served, self.account, self.programs = bench, served, account, programs
        self.folder = bench.folder(name)
        data = os.path.join(self.folder, "data")
        self.tool("initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        argv = [programs["postgres"], "-D", data, "-k", self.folder]
        for key, value in SETTINGS.items():
            argv += ["-c", f"{key}={value}"]
        super().__init__(bench, argv, os.path.join(bench.scratch, name + ".log"), served, cwd=self.folder,
                         **account.popen)
        self.wait_for(lambda: "ready to accept connections" in self.log_text(10**6))

    def tool(self, name, *words, text=None, errors=""):
        """A program of PostgreSQL's; must end well and print nothing else to stderr than lines with `errors`."""
        env = {"PGHOST": self.folder, "PGUSER": "tester", "PGDATABASE": "postgres", "PGOPTIONS": ""}
        run = self.bench.run_served if self.served else self.bench.run_plain
        done = run([self.programs[name], *words], text=text, timeout=SECONDS, env=env, cwd=self.folder,
                   **self.account.popen)
        odd = [line for line in done.stderr.decode().splitlines() if not errors or not re.search(errors, line)]
        if done.returncode != 0 or odd:
            raise harness.Failure(f"{name}: status {done.returncode}:\n" + done.stderr.decode()[-2000:])
        return done.stdout.decode()

    def sql(self, text, database="postgres"):
        return self.tool("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database,
                         text=text.encode(), errors="NOTICE")

    def processes(self):
        """pid and kind of all children that have ended, as the log tells it."""
        found = {}
        for pid, kind in re.findall(r"^(\d+) <([a-z ]+)> DEBUG:  proc_exit\(\d+\)", self.log_text(10**9), re.M):
            found[int(pid)] = kind
        found.pop(self.process.pid, None)
        return found


def bank(cluster):
    """pgbench: the sums of its four tables are one number, whatever ran at once."""
    cluster.tool("pgbench", "-i", "-s", "2", "-q", errors=".")
    wanted = 0
    for protocol in ("simple", "extended", "prepared"):
        # -n: otherwise it empties the history first.
        words = ["-n", "-c", "6", "-j", "2", "-t", "250", "-M", protocol]
        text = cluster.tool("pgbench", *words, errors="^pgbench \\(")
        if "number of transactions actually processed: 1500/1500" not in text or \
                not re.search(r"failed transactions: 0 ", text):
            raise harness.Failure(f"pgbench -M {protocol}:\n{text}")
        wanted += 1500
    text = cluster.tool("pgbench", "-n", "-S", "-C", "-c", "4", "-j", "2", "-t", "25", errors="^pgbench \\(")
    if "actually processed: 100/100" not in text:
        raise harness.Failure(f"pgbench -C:\n{text}")
    accounts, branches, tellers, history, count = cluster.sql(SUMS).strip().split("|")
    if not accounts == branches == tellers == history or int(count) != wanted:
        raise harness.Failure(f"pgbench: sums {accounts} {branches} {tellers} {history} after {count} of "
                              f"{wanted} transactions")
    return wanted


def dump(cluster, *words):
    """As it is to be read again."""
    return cluster.tool("pg_dump", "--no-owner", *words)


def content(text):
    """A dump to be compared: without its random key, rows in an order that no vacuum changes."""
    return "\n".join(sorted(line for line in text.splitlines() if not re.match(r"\\(un)?restrict ", line)))


def restored(cluster):
    """Two dumps: of all tables, which must come back the same; and of those that are the same in each run."""
    whole = dump(cluster)
    cluster.sql("create database again")
    cluster.sql(whole, "again")
    before, after = content(whole), content(dump(cluster, "again"))
    if before != after:
        raise harness.Failure("another dump of what was restored from a dump:\n"
                              + harness.first_difference(before, after, "dump"))
    return content(dump(cluster, "-t", "person", "-t", "word"))


def session(bench, account, programs, name, served):
    cluster = Postgres(bench, account, programs, name, served)
    cluster.sql(TABLES)
    answers = cluster.sql(QUERIES)
    plan = cluster.sql(PARALLEL)
    if not re.search(r"Workers Launched: [1-9]", plan):
        raise harness.Failure("no parallel worker was launched:\n" + plan)
    transactions = bank(cluster)
    text = restored(cluster)
    cluster.stop(signal.SIGINT)
    ended = cluster.processes()
    missing = [kind for kind in KINDS if kind not in ended.values()]
    if missing:
        raise harness.Failure(f"the log names no {', '.join(missing)}")
    log = cluster.log_text(10**9)
    for line in re.findall(r"^.*(?:PANIC|was terminated by signal|FATAL:  (?!terminating autovacuum)).*$", log, re.M):
        raise harness.Failure(f"postgres logs: {line}")
    if served:
        bench.check_forks(ended)
    kinds = ", ".join(f"{list(ended.values()).count(kind)} {kind}" for kind in KINDS)
    harness.say(f"{name}: {transactions} transactions, sums equal; processes: {kinds}")
    return answers, text


def test(bench):
    tools = ("initdb", "postgres", "psql", "pgbench", "pg_dump")
    programs = dict(zip(tools, harness.need(*tools, folders=FOLDERS)))
    account = Account(bench)
    bench.forks = True
    plain = session(bench, account, programs, "plain", False)
    served = session(bench, account, programs, "served", True)
    for before, after, what in zip(plain, served, ("query results", "dump")):
        if before != after:
            raise harness.Failure(f"postgres: other {what}:\n" + harness.first_difference(before, after, what))
    harness.say(f"postgres: the same results; {bench.check_who(*tools)} processes and {bench.check_forks()} that were "
                "only forked, all served by the library")


harness.main(test)
