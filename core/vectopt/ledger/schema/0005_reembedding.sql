-- Vectors for another embedder, made beside those in use until every text has its own: a queue of its own, with leases and fences.
CREATE TABLE remade (
    slot        INTEGER PRIMARY KEY REFERENCES slot (slot) ON DELETE CASCADE,
    data        BLOB,                               -- little-endian float32; NULL while it waits
    attempts    INTEGER NOT NULL DEFAULT 0,
    lease_until REAL    NOT NULL DEFAULT 0,
    fence       INTEGER NOT NULL DEFAULT 0,
    error       TEXT,
    dead        INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX remade_waiting ON remade (slot) WHERE data IS NULL AND dead = 0;
