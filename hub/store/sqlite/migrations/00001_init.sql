-- +goose Up

-- The dictionary of signals: readings are written with these numbers.
CREATE TABLE signals (
  number INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE
);

CREATE TABLE instances (
  id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: chunks and the journal name it
  service    TEXT NOT NULL,
  instance   TEXT NOT NULL,
  labels     TEXT NOT NULL DEFAULT '{}',
  agent      TEXT NOT NULL DEFAULT '',
  first_seen INTEGER NOT NULL DEFAULT 0, -- Unix milliseconds, as all times here
  last_seen  INTEGER NOT NULL DEFAULT 0,
  UNIQUE (service, instance)
);

CREATE TABLE verdicts (
  instance INTEGER PRIMARY KEY REFERENCES instances (id) ON DELETE CASCADE,
  at       INTEGER NOT NULL,
  body     BLOB NOT NULL -- JSON
);

-- Readings that no chunk holds yet: one row for each commit.
CREATE TABLE journal (
  id   INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);

-- How far each instance's readings are in chunks.
CREATE TABLE seals (
  instance INTEGER PRIMARY KEY,
  journal  INTEGER NOT NULL, -- all its readings in journal rows up to this one are
  last     INTEGER NOT NULL  -- time of its newest reading in any chunk
);

-- About 120 readings of one instance. Ids rise with time, so that new chunks go
-- to the end of the file and old ones leave from its beginning.
CREATE TABLE chunks (
  id       INTEGER PRIMARY KEY,
  instance INTEGER NOT NULL,
  first    INTEGER NOT NULL, -- times of the first and last reading in it
  last     INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  data     BLOB NOT NULL
);
CREATE INDEX chunks_by_instance ON chunks (instance, first, last, count);
CREATE INDEX chunks_by_last ON chunks (last);

CREATE TABLE alerts (
  id       TEXT PRIMARY KEY,
  at       INTEGER NOT NULL,
  updated  INTEGER NOT NULL,
  service  TEXT NOT NULL,
  type     TEXT NOT NULL,
  state    TEXT NOT NULL,
  kind     TEXT NOT NULL,
  severity TEXT NOT NULL,
  body     BLOB NOT NULL -- JSON
) WITHOUT ROWID;
CREATE INDEX alerts_by_time ON alerts (at, id);
CREATE INDEX alerts_by_service ON alerts (service, at, id);
CREATE INDEX alerts_open ON alerts (at) WHERE state <> 'resolved';

CREATE TABLE captures (
  id       TEXT PRIMARY KEY,
  at       INTEGER NOT NULL,
  service  TEXT NOT NULL,
  instance TEXT NOT NULL,
  kind     TEXT NOT NULL,
  role     TEXT NOT NULL,
  sha256   TEXT NOT NULL,
  size     INTEGER NOT NULL,
  body     BLOB NOT NULL -- JSON
) WITHOUT ROWID;
CREATE INDEX captures_by_time ON captures (at, id);
CREATE INDEX captures_by_service ON captures (service, at, id);
CREATE INDEX captures_by_sha256 ON captures (sha256);

-- +goose Down
DROP TABLE captures;
DROP TABLE alerts;
DROP TABLE chunks;
DROP TABLE seals;
DROP TABLE journal;
DROP TABLE verdicts;
DROP TABLE instances;
DROP TABLE signals;
