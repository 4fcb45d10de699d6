"""sqlite3 from Python, for `python3 -m test`: Debian leaves CPython's own test_sqlite3 out.

Blobs and text of many sizes, a cache that grows and shrinks, indexes, callbacks into Python,
backup, dump, failures in the middle of statements, and connections in several threads.
"""

import hashlib
import os
import random
import sqlite3
import tempfile
import threading
import unittest


def payload(number):
    source = random.Random(number)
    return source.randbytes(int(2 ** source.uniform(0, 16)))


class DataTests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "data.db")
        self.db = sqlite3.connect(self.path)
        self.db.execute("create table t (id integer primary key, name text, data blob)")

    def tearDown(self):
        self.db.close()
        self.folder.cleanup()

    def fill(self, count):
        rows = ((number, f"name{number % 97}" * (number % 13 + 1), payload(number)) for number in range(count))
        with self.db:
            self.db.executemany("insert into t values (?, ?, ?)", rows)

    def test_round_trip(self):
        self.fill(800)
        for number, name, data in self.db.execute("select * from t"):
            self.assertEqual(data, payload(number))
            self.assertTrue(name.startswith(f"name{number % 97}"))

    def test_cache_grows_and_shrinks(self):
        self.fill(400)
        for pages in (10, 5000, 1, 500):
            self.db.execute(f"pragma cache_size = {pages}")
            total = self.db.execute("select sum(length(data)) from t").fetchone()[0]
            self.assertEqual(total, sum(len(payload(number)) for number in range(400)))
            self.db.execute("pragma shrink_memory")

    def test_index_sort_group(self):
        self.fill(600)
        self.db.execute("create index i on t (name, length(data))")
        grouped = self.db.execute("select name, count(*) from t group by name order by name desc").fetchall()
        self.assertEqual(sum(count for _, count in grouped), 600)
        self.assertEqual([name for name, _ in grouped], sorted((name for name, _ in grouped), reverse=True))

    def test_update_delete_vacuum_integrity(self):
        self.fill(500)
        with self.db:
            self.db.execute("update t set data = cast(data || data as blob) where id % 3 = 0")
            self.db.execute("delete from t where id % 3 = 1")
        self.db.execute("vacuum")
        self.assertEqual(self.db.execute("pragma integrity_check").fetchone()[0], "ok")
        for number, data in self.db.execute("select id, data from t"):
            self.assertEqual(data, payload(number) * (2 if number % 3 == 0 else 1))

    def test_rollback(self):
        self.fill(100)
        before = self.db.execute("select count(*), sum(length(data)) from t").fetchone()
        with self.assertRaises(sqlite3.IntegrityError), self.db:
            self.db.execute("update t set data = zeroblob(70000)")
            self.db.execute("insert into t values (1, '', '')")
        self.assertEqual(self.db.execute("select count(*), sum(length(data)) from t").fetchone(), before)

    def test_backup_dump_serialize(self):
        self.fill(200)
        copies = [sqlite3.connect(":memory:") for _ in range(3)]
        self.db.backup(copies[0], pages=7)
        copies[1].executescript("\n".join(self.db.iterdump()))
        copies[2].deserialize(self.db.serialize())
        for copy in copies:
            self.assertEqual(copy.execute("select * from t order by id").fetchall(),
                             self.db.execute("select * from t order by id").fetchall())
            copy.close()

    def test_blob_handles(self):
        self.fill(50)
        for number in range(50):
            size = len(payload(number))
            with self.db.blobopen("t", "data", number) as blob:
                self.assertEqual(blob.read(), payload(number))
                blob.seek(0)
                blob.write(bytes(size))
        self.assertEqual(self.db.execute("select count(*) from t where data != zeroblob(length(data))").fetchone(),
                         (0,))


class CallbackTests(unittest.TestCase):
    def setUp(self):
        self.db = sqlite3.connect(":memory:")
        self.db.executescript("create table n (i); with recursive c(i) as (select 1 union all select i + 1 from c "
                              "where i < 2000) insert into n select i from c;")

    def tearDown(self):
        self.db.close()

    def test_function_and_collation(self):
        self.db.create_function("digest", 1, lambda i: hashlib.sha256(str(i).encode()).hexdigest())
        self.db.create_collation("backwards", lambda a, b: (a < b) - (a > b))
        rows = self.db.execute("select digest(i) d from n order by d collate backwards").fetchall()
        expected = sorted((hashlib.sha256(str(i).encode()).hexdigest() for i in range(1, 2001)), reverse=True)
        self.assertEqual([row[0] for row in rows], expected)

    def test_aggregate(self):
        class Join:
            def __init__(self):
                self.parts = []

            def step(self, value):
                self.parts.append(str(value))

            def finalize(self):
                return ",".join(self.parts)

        self.db.create_aggregate("joined", 1, Join)
        text = self.db.execute("select joined(i) from n").fetchone()[0]
        self.assertEqual(text, ",".join(map(str, range(1, 2001))))

    def test_an_error_in_a_callback(self):
        self.db.create_function("fails", 1, lambda i: 1 // (i - 1000))
        for _ in range(20):
            with self.assertRaises(sqlite3.OperationalError):
                self.db.execute("select fails(i) from n").fetchall()

    def test_many_statements(self):
        for number in range(1500):
            self.assertEqual(self.db.execute(f"select {number} + i from n where i = 1").fetchone()[0], number + 1)


class ThreadTests(unittest.TestCase):
    def test_a_connection_a_thread(self):
        errors = []

        def work(number):
            try:
                with sqlite3.connect(":memory:") as db:
                    db.execute("create table t (d blob)")
                    db.executemany("insert into t values (?)", ((payload(i * number),) for i in range(150)))
                    found = [row[0] for row in db.execute("select d from t order by rowid")]
                    assert found == [payload(i * number) for i in range(150)]
                db.close()
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_one_connection_handed_around(self):
        db = sqlite3.connect(":memory:", check_same_thread=False)
        db.execute("create table t (d blob)")

        def work(number):
            db.execute("insert into t values (?)", (payload(number),))

        for number in range(60):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            thread.join()
        self.assertEqual([row[0] for row in db.execute("select d from t order by rowid")],
                         [payload(number) for number in range(60)])
        db.close()


if __name__ == "__main__":
    unittest.main()
