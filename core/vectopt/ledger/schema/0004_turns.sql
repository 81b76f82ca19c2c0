-- Whose turn it is: waiting counts as well as priority. Lowest first.
ALTER TABLE queue ADD COLUMN turn REAL NOT NULL DEFAULT 0;    -- queued_at plus the handicap of its rank, in seconds
UPDATE queue SET turn = queued_at + iif(rank = 0, -1e12, rank * 600);
DROP INDEX queue_order;
CREATE INDEX queue_order ON queue (dead, turn, slot);
CREATE INDEX queue_retry ON queue (not_before) WHERE dead = 0 AND attempts > 0;

-- The distinct queries that found a text while it had no vector, by digest; a few a text, kept for good: none counts twice.
CREATE TABLE asked (
    slot  INTEGER NOT NULL REFERENCES slot (slot) ON DELETE CASCADE,
    query BLOB    NOT NULL,
    PRIMARY KEY (slot, query)
) WITHOUT ROWID;

-- A temp vector that is found lives longer.
ALTER TABLE temp ADD COLUMN ttl REAL NOT NULL DEFAULT 0;      -- seconds it was given
ALTER TABLE temp ADD COLUMN latest REAL NOT NULL DEFAULT 0;   -- no use makes it live beyond this
UPDATE temp SET ttl = max(0, expires_at - coalesce((SELECT made_at FROM vector WHERE vector.slot = temp.slot), expires_at));
UPDATE temp SET latest = expires_at + 6 * ttl;
