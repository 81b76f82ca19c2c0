-- Objects in the archive. Their names say whose they are; an object that no row names is nobody's.
CREATE TABLE segment (
    segment INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    state   TEXT    NOT NULL CHECK (state IN ('writing', 'sealed', 'leaving')),
    made_at REAL    NOT NULL,
    size    INTEGER NOT NULL DEFAULT 0,             -- bytes
    digest  TEXT    NOT NULL DEFAULT '',
    items   INTEGER NOT NULL DEFAULT 0,             -- that it was made with
    live    INTEGER NOT NULL DEFAULT 0              -- that are still its own
);

-- Where an archived item is. Its record holds all the rest; those of one text share a record.
CREATE TABLE archived (
    namespace TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    segment   INTEGER NOT NULL REFERENCES segment (segment),
    start     INTEGER NOT NULL,                     -- bytes into the object
    length    INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
) WITHOUT ROWID;

-- Items that no pass may touch.
CREATE TABLE pin (
    namespace TEXT NOT NULL,
    id        TEXT NOT NULL,
    PRIMARY KEY (namespace, id)
) WITHOUT ROWID;

-- When a query last found a text; to the hour.
ALTER TABLE slot ADD COLUMN used_at REAL NOT NULL DEFAULT 0;

CREATE TABLE pass (
    pass     INTEGER PRIMARY KEY AUTOINCREMENT,
    at       REAL    NOT NULL,
    report   TEXT    NOT NULL,                      -- JSON
    undone   INTEGER NOT NULL DEFAULT 0
);

-- What the last pass took away, so that it can be undone.
CREATE TABLE taken (
    namespace TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    what      TEXT    NOT NULL CHECK (what IN ('vector', 'item')),
    PRIMARY KEY (namespace, id)
) WITHOUT ROWID;

CREATE TABLE alert (
    alert   INTEGER PRIMARY KEY AUTOINCREMENT,
    at      REAL    NOT NULL,
    body    TEXT    NOT NULL                        -- JSON
);
