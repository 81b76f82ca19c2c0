-- In how many bytes a vector is kept, and the sketch that a dropped one leaves behind.
ALTER TABLE vector ADD COLUMN precision TEXT NOT NULL DEFAULT 'float32' CHECK (precision IN ('float32', 'float16', 'int8'));

CREATE TABLE sketch (
    slot        INTEGER PRIMARY KEY REFERENCES slot (slot) ON DELETE CASCADE,
    data        BLOB    NOT NULL                    -- a half-float factor, then two bits a rotated dimension
);

-- Which namespace a slot that is gone was of. Indexes that lag behind this step start anew.
DROP INDEX gone_changed;
DROP TABLE gone;
CREATE TABLE gone (
    slot      INTEGER PRIMARY KEY,
    namespace TEXT    NOT NULL,
    changed   INTEGER NOT NULL
);
CREATE INDEX gone_changed ON gone (changed);
UPDATE meta SET value = (SELECT value FROM meta WHERE name = 'change') WHERE name = 'forgotten';
