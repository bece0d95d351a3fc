-- +goose Up

-- Times are Unix milliseconds, bodies JSON. Text is compared by its bytes, as Go does.

-- The dictionary of signals: readings are written with these numbers.
CREATE TABLE signals (
  number smallint PRIMARY KEY,
  name   text NOT NULL UNIQUE
);

-- One row. Readings before the horizon may lie in chunks, those after it never do.
-- The generation counts deletions of instances: who remembers ids compares it.
CREATE TABLE state (
  one        boolean PRIMARY KEY DEFAULT true CHECK (one),
  horizon    bigint NOT NULL DEFAULT 0,
  generation bigint NOT NULL DEFAULT 0
);
INSERT INTO state DEFAULT VALUES;

CREATE TABLE instances (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  service    text COLLATE "C" NOT NULL,
  instance   text COLLATE "C" NOT NULL,
  labels     text NOT NULL DEFAULT '{}',
  agent      text NOT NULL DEFAULT '',
  first_seen bigint NOT NULL DEFAULT 0,
  last_seen  bigint NOT NULL DEFAULT 0,
  UNIQUE (service, instance)
);

CREATE TABLE verdicts (
  instance bigint PRIMARY KEY REFERENCES instances (id) ON DELETE CASCADE,
  at       bigint NOT NULL,
  body     bytea NOT NULL
);

-- Readings as they come in. The key is what makes a resend harmless, through
-- whichever hub it comes. Partitions are four hours; "other" takes what is outside
-- of those that stand.
CREATE TABLE readings (
  instance bigint NOT NULL,
  at       bigint NOT NULL,
  data     bytea NOT NULL,
  PRIMARY KEY (instance, at)
) PARTITION BY RANGE (at);
CREATE TABLE readings_other PARTITION OF readings DEFAULT;

-- Readings before the horizon, many of one instance together, never of two days
-- (UTC): as they came, two of each minute, two of each ten minutes.
CREATE TABLE chunks_0 (
  instance bigint NOT NULL,
  first    bigint NOT NULL,
  last     bigint NOT NULL,
  count    integer NOT NULL,
  data     bytea NOT NULL,
  PRIMARY KEY (instance, first)
) PARTITION BY RANGE (first);
ALTER TABLE chunks_0 ALTER COLUMN data SET STORAGE EXTERNAL; -- it does not get smaller
CREATE TABLE chunks_60 (LIKE chunks_0 INCLUDING ALL) PARTITION BY RANGE (first);
CREATE TABLE chunks_600 (LIKE chunks_0 INCLUDING ALL) PARTITION BY RANGE (first);
CREATE TABLE chunks_0_other PARTITION OF chunks_0 DEFAULT;
CREATE TABLE chunks_60_other PARTITION OF chunks_60 DEFAULT;
CREATE TABLE chunks_600_other PARTITION OF chunks_600 DEFAULT;
CREATE VIEW chunks AS
  SELECT 0 AS step, * FROM chunks_0 UNION ALL SELECT 60, * FROM chunks_60 UNION ALL SELECT 600, * FROM chunks_600;

CREATE TABLE alerts (
  id          text COLLATE "C" PRIMARY KEY,
  at          bigint NOT NULL,
  updated     bigint NOT NULL,
  service     text COLLATE "C" NOT NULL,
  type        text NOT NULL,
  state       text NOT NULL,
  kind        text NOT NULL,
  severity    text NOT NULL,
  fingerprint text NOT NULL,
  held_until  bigint NOT NULL,
  profiles    text[] NOT NULL, -- captures that belong to it
  body        bytea NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (at, id);
CREATE INDEX alerts_by_service ON alerts (service, at, id);
CREATE INDEX alerts_open ON alerts (at) WHERE state <> 'resolved';
CREATE INDEX alerts_held ON alerts (held_until) WHERE held_until > 0;
CREATE INDEX alerts_by_fingerprint ON alerts (fingerprint, at, id);
CREATE INDEX alerts_resolved ON alerts (updated) WHERE state = 'resolved';

-- Every transition of every alert, with who and why. A resend adds nothing: the
-- digest is of the whole line, which is too long for an index.
CREATE TABLE alert_log (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  alert  text COLLATE "C" NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
  at     bigint NOT NULL,
  digest bytea NOT NULL,
  body   bytea NOT NULL,
  UNIQUE (alert, at, digest)
);

-- How far each channel has been told of each alert.
CREATE TABLE deliveries (
  alert   text COLLATE "C" NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
  channel text COLLATE "C" NOT NULL,
  told    text NOT NULL, -- the alert's state as the channel knows it
  body    bytea NOT NULL,
  PRIMARY KEY (alert, channel)
);
CREATE INDEX deliveries_open ON deliveries (alert) WHERE told = 'firing';

CREATE TABLE captures (
  id       text COLLATE "C" PRIMARY KEY,
  at       bigint NOT NULL,
  service  text COLLATE "C" NOT NULL,
  instance text COLLATE "C" NOT NULL,
  kind     text NOT NULL,
  role     text NOT NULL,
  sha256   text NOT NULL,
  size     bigint NOT NULL,
  body     bytea NOT NULL
);
CREATE INDEX captures_by_time ON captures (at, id);
CREATE INDEX captures_by_service ON captures (service, at, id);
CREATE INDEX captures_by_sha256 ON captures (sha256);

-- +goose Down
DROP TABLE captures, deliveries, alert_log, alerts;
DROP VIEW chunks;
DROP TABLE chunks_0, chunks_60, chunks_600, readings, verdicts, instances, state, signals;
