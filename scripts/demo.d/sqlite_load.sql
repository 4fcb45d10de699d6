-- The demo's load for sqlite3: a database in memory is filled, indexed, queried, thinned out and closed.
-- Says `loaded` by a shell of its own, since its own output is held back until the end.
.open :memory:
PRAGMA cache_size = -200000;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, body BLOB, weight REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
INSERT INTO item SELECT i, 'name ' || (i * 7919 % 200003), zeroblob(20 + i * 31 % 400), i * 0.5 FROM n;
CREATE INDEX item_name ON item (name);
CREATE TABLE tag (item INTEGER, word TEXT);
INSERT INTO tag SELECT id, substr(name, 1, 7) FROM item;
CREATE INDEX tag_word ON tag (word);
SELECT count(*), sum(t.n) FROM (SELECT word, count(*) AS n, group_concat(item) AS g FROM tag GROUP BY word) t;
SELECT count(*) FROM item a JOIN item b ON b.name = 'name ' || a.id WHERE a.weight > 10;
SELECT length(group_concat(name, ';')) FROM (SELECT name FROM item ORDER BY name DESC);
DELETE FROM item WHERE id % 10 <> 0;
INSERT INTO item SELECT id + 1000000, name || ' again', zeroblob(900 + id % 500), 1 FROM item;
SELECT count(*), sum(length(body)) FROM item;
.open :memory:
SELECT 1;
.system echo loaded
