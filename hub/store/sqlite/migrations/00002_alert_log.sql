-- +goose Up

-- What must be asked of alerts besides: which leak an alert is of, and until when
-- people's decisions about it hold.
ALTER TABLE alerts ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN held_until INTEGER NOT NULL DEFAULT 0;
UPDATE alerts SET fingerprint = coalesce(json_extract(body, '$.fingerprint'), '');
CREATE INDEX alerts_held ON alerts (held_until) WHERE held_until > 0;
CREATE INDEX alerts_by_fingerprint ON alerts (fingerprint, at, id);

-- Every transition of every alert, with who and why. A resend adds nothing.
CREATE TABLE alert_log (
  id     INTEGER PRIMARY KEY,
  alert  TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
  at     INTEGER NOT NULL,
  action TEXT NOT NULL,
  who    TEXT NOT NULL,
  why    TEXT NOT NULL,
  body   BLOB NOT NULL, -- JSON
  UNIQUE (alert, at, action, who, why)
);

-- How far each channel has been told of each alert.
CREATE TABLE deliveries (
  alert   TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  told    TEXT NOT NULL, -- the alert's state as the channel knows it
  body    BLOB NOT NULL, -- JSON
  PRIMARY KEY (alert, channel)
) WITHOUT ROWID;
CREATE INDEX deliveries_open ON deliveries (alert) WHERE told = 'firing';

-- +goose Down
DROP TABLE deliveries;
DROP TABLE alert_log;
DROP INDEX alerts_by_fingerprint;
DROP INDEX alerts_held;
ALTER TABLE alerts DROP COLUMN held_until;
ALTER TABLE alerts DROP COLUMN fingerprint;
