-- Texts that say what a slot's text says share the slot; their items keep their own text.
ALTER TABLE slot ADD COLUMN words BLOB;                       -- digest of the text's longer words and numbers: what says the same has the same
ALTER TABLE slot ADD COLUMN near INTEGER NOT NULL DEFAULT 0;  -- its items whose text isn't the slot's
ALTER TABLE item ADD COLUMN own BLOB;                         -- digest of the item's own text, where it isn't the slot's
ALTER TABLE item ADD COLUMN importance REAL;                  -- NULL: the slot's
UPDATE slot SET words = words_key(text);
CREATE INDEX slot_words ON slot (namespace, words);
