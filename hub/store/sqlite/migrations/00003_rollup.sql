-- +goose Up

-- How coarse a chunk is, in seconds: 0 as it came in, else of each step the readings
-- with the least and the greatest main value.
ALTER TABLE chunks ADD COLUMN step INTEGER NOT NULL DEFAULT 0;
DROP INDEX chunks_by_last;
CREATE INDEX chunks_by_step ON chunks (step, last, instance, count);

-- +goose Down
DELETE FROM chunks WHERE step <> 0;
DROP INDEX chunks_by_step;
CREATE INDEX chunks_by_last ON chunks (last);
ALTER TABLE chunks DROP COLUMN step;
