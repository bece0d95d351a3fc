-- +goose Up
ALTER TABLE tokens ADD COLUMN services TEXT NOT NULL DEFAULT ''; -- patterns, with commas between; '' is all

-- +goose Down
ALTER TABLE tokens DROP COLUMN services;
