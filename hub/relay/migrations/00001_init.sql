-- +goose Up
CREATE TABLE relay_hubs (
  id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  seen    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  version TEXT NOT NULL,
  address TEXT NOT NULL, -- where it listens, for people
  blobs   TEXT NOT NULL  -- names the place where its profiles lie
);

CREATE TABLE relay_events (
  hub  BIGINT NOT NULL,
  seq  BIGINT NOT NULL, -- of that hub, rising
  at   TIMESTAMPTZ NOT NULL,
  body BYTEA NOT NULL,  -- messages, each with its length before it, zstd
  PRIMARY KEY (hub, seq)
);
ALTER TABLE relay_events ALTER COLUMN body SET STORAGE EXTERNAL;

-- The one row says who leads, and how far it has come.
CREATE TABLE relay_lead (
  one     BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
  term    BIGINT NOT NULL DEFAULT 0,
  hub     BIGINT NOT NULL DEFAULT 0,
  decided JSONB NOT NULL DEFAULT '{}' -- the newest seq of each hub that is done with
);
INSERT INTO relay_lead DEFAULT VALUES;

-- +goose Down
DROP TABLE relay_lead;
DROP TABLE relay_events;
DROP TABLE relay_hubs;
