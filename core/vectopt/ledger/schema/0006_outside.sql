-- Copies of vectors in a store outside, one row a copy. A row outlives its slot, until the copy is known to be gone.
CREATE TABLE outside (
    copy       INTEGER PRIMARY KEY AUTOINCREMENT,  -- names one vector of one slot in the store; never used again
    slot       INTEGER,                            -- NULL once no slot wants the copy
    namespace  TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'sent', 'there', 'leaving', 'erased')),
    fence      INTEGER NOT NULL DEFAULT 0,         -- grows with every claim: a slow worker's late answer is refused
    not_before REAL    NOT NULL DEFAULT 0,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error      TEXT
);
CREATE UNIQUE INDEX outside_slot ON outside (slot) WHERE slot IS NOT NULL;
CREATE INDEX outside_due ON outside (state, not_before) WHERE state <> 'there';

-- A vector without bytes is held outside; its digest tells whether a vector given again is the same.
ALTER TABLE vector ADD COLUMN digest BLOB;
