-- Items that delete themselves: hidden from the moment their time is over, removed by the upkeep.
ALTER TABLE item ADD COLUMN lives REAL;                       -- seconds from the last change or touch; NULL: for ever
ALTER TABLE item ADD COLUMN delete_at REAL;                   -- NULL: never
CREATE INDEX item_delete_at ON item (delete_at) WHERE delete_at IS NOT NULL;
