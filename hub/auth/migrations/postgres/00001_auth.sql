-- +goose Up
CREATE TABLE users (
  name    TEXT PRIMARY KEY,
  role    TEXT NOT NULL,
  hash    TEXT NOT NULL, -- argon2id, PHC form
  created BIGINT NOT NULL -- Unix milliseconds, as all times here
);

CREATE TABLE tokens (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  role    TEXT NOT NULL,
  hash    BYTEA NOT NULL, -- SHA-256 of the secret
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL DEFAULT 0, -- 0: never
  revoked BIGINT NOT NULL DEFAULT 0,
  used    BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE sessions (
  id      TEXT PRIMARY KEY, -- SHA-256 of the cookie, hex
  name    TEXT NOT NULL,
  role    TEXT NOT NULL, -- of local users the present role counts
  method  TEXT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX sessions_by_name ON sessions (name);

CREATE TABLE audit (
  id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     BIGINT NOT NULL,
  who    TEXT NOT NULL,
  action TEXT NOT NULL,
  what   TEXT NOT NULL,
  remote TEXT NOT NULL
);

-- +goose Down
DROP TABLE audit;
DROP TABLE sessions;
DROP TABLE tokens;
DROP TABLE users;
