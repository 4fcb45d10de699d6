-- Long work for sqlite3: 100,000 rows, indices, joins, window functions, a full-text table, triggers, JSON,
-- a transaction that is rolled back, VACUUM and the integrity check. On a file and in memory alike.
.bail on
PRAGMA cache_size = 300;
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, town INTEGER, born INTEGER, note BLOB);
CREATE TABLE town (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size REAL);
CREATE TABLE change (at INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER, was TEXT);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 500)
INSERT INTO town SELECT i, printf('town-%05d', i * 7919 % 10007), i / 8.0 FROM c;
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000)
INSERT INTO person SELECT i, printf('%s-%d', char(97 + i % 26), i * 7919 % 100003), 1 + i * 31 % 500,
  1900 + i % 120, CASE WHEN i % 200 = 0 THEN zeroblob(i % 30000) ELSE hex(i * 40503 % 65536) END FROM c;
CREATE INDEX person_town ON person (town, born);
CREATE INDEX person_name ON person (name COLLATE NOCASE);
CREATE INDEX person_old ON person (born) WHERE born < 1930;
CREATE TRIGGER changed AFTER UPDATE OF name ON person BEGIN
  INSERT INTO change (person, was) VALUES (old.id, old.name);
END;
ANALYZE;
SELECT town.name, count(*), min(person.name), sum(length(note)) FROM person JOIN town ON town.id = person.town
  GROUP BY town.id ORDER BY 4 DESC, 1 LIMIT 25;
SELECT * FROM (SELECT id, town, born, rank() OVER w AS place, sum(born) OVER w AS upto, lag(name, 2) OVER w AS before,
  ntile(7) OVER w FROM person WINDOW w AS (PARTITION BY town ORDER BY born, id)) WHERE place < 3 AND town % 50 = 7;
SELECT a.id, b.id FROM person a JOIN person b ON a.born = b.born AND a.town = b.town AND a.id < b.id
  WHERE a.town < 4 ORDER BY 1, 2 LIMIT 50;
SELECT length(group_concat(name, ',')) FROM (SELECT name FROM person ORDER BY note, name DESC);
SELECT count(*) FROM (SELECT name FROM person INTERSECT SELECT lower(name) FROM person WHERE id % 3 = 0);
BEGIN;
UPDATE person SET name = upper(name) || id WHERE id % 4 = 0;
SAVEPOINT s;
DELETE FROM person WHERE town > 100;
SELECT count(*) FROM person;
ROLLBACK TO s;
COMMIT;
BEGIN;
DELETE FROM person;
ROLLBACK;
DELETE FROM person WHERE id % 5 = 1;
SELECT count(*), count(DISTINCT town), max(name), (SELECT count(*) FROM change) FROM person;
SELECT json_group_array(json_object('id', id, 'n', name)) FROM (SELECT * FROM person WHERE id % 5000 = 0 ORDER BY id);
CREATE VIRTUAL TABLE words USING fts5(text);
INSERT INTO words SELECT 'alpha ' || name || ' beta ' || town || CASE WHEN id % 9 = 0 THEN ' gamma' ELSE '' END FROM person;
SELECT count(*) FROM words WHERE words MATCH 'gamma AND beta';
INSERT INTO words(words) VALUES ('optimize');
INSERT INTO words(words) VALUES ('integrity-check');
WITH RECURSIVE
  x(x) AS (VALUES (-2.0) UNION ALL SELECT x + 0.05 FROM x WHERE x < 1.2),
  y(y) AS (VALUES (-1.0) UNION ALL SELECT y + 0.1 FROM y WHERE y < 1.0),
  m(n, cx, cy, x, y) AS (SELECT 0, x, y, 0.0, 0.0 FROM x, y
    UNION ALL SELECT n + 1, cx, cy, x * x - y * y + cx, 2.0 * x * y + cy FROM m WHERE x * x + y * y < 4.0 AND n < 28),
  d(n, cx, cy) AS (SELECT max(n), cx, cy FROM m GROUP BY cx, cy),
  l(t, cy) AS (SELECT group_concat(substr(' .+*#', 1 + min(n / 7, 4), 1), ''), cy FROM d GROUP BY cy)
SELECT rtrim(t) FROM l ORDER BY cy;
VACUUM;
PRAGMA integrity_check;
PRAGMA foreign_key_check;
.dump
