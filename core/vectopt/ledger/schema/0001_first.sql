-- One distinct text of a namespace. Exact copies are items of the same slot: they share its tier, vector and place in results.
CREATE TABLE slot (
    slot        INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: a stale index row can't come to mean another text
    namespace   TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    exact       BLOB    NOT NULL,                   -- digest of the normalised text
    variant     BLOB    NOT NULL DEFAULT x'',       -- digest of a caller's own vector that disagrees with the slot's
    masked      BLOB    NOT NULL,                   -- digest of the text with its digits masked
    tier        TEXT    NOT NULL CHECK (tier IN ('persistent', 'temp', 'queued', 'cached', 'archived')),
    importance  REAL    NOT NULL,
    novelty     REAL    NOT NULL,
    patterns    TEXT    NOT NULL,                   -- JSON list of names
    worth       REAL    NOT NULL,                   -- what displacement compares
    tokens      INTEGER NOT NULL,                   -- what embedding it costs, estimated
    members     INTEGER NOT NULL,                   -- its items
    keep        INTEGER NOT NULL DEFAULT 0,         -- has a vector while there is room: stays at temp expiry, is queued again
    created_at  REAL    NOT NULL,
    changed     INTEGER NOT NULL,                   -- change sequence of the last change an index must see
    UNIQUE (namespace, exact, variant)
);
CREATE INDEX slot_changed ON slot (changed);
CREATE INDEX slot_namespace ON slot (namespace);  -- with the row number: a namespace's newest texts
CREATE INDEX slot_masked ON slot (namespace, masked);
CREATE INDEX slot_worth ON slot (worth) WHERE tier IN ('persistent', 'temp');
CREATE INDEX slot_spare ON slot (namespace, worth) WHERE tier = 'cached' AND keep = 1;

CREATE TABLE item (
    item        INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace   TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    slot        INTEGER NOT NULL REFERENCES slot (slot),
    content     TEXT,                               -- NULL where it is the slot's text to the letter
    metadata    TEXT    NOT NULL,                   -- JSON, the caller's
    decision    TEXT    NOT NULL,                   -- JSON: action, priority, reasoning, scores, utilisation
    generation  INTEGER NOT NULL DEFAULT 0,
    created_at  REAL    NOT NULL,
    updated_at  REAL    NOT NULL,
    UNIQUE (namespace, id)
);
CREATE INDEX item_slot ON item (slot);

CREATE TABLE vector (
    slot        INTEGER PRIMARY KEY REFERENCES slot (slot) ON DELETE CASCADE,
    data        BLOB    NOT NULL,                   -- little-endian float32, as given
    origin      TEXT    NOT NULL CHECK (origin IN ('caller', 'embedder')),
    made_at     REAL    NOT NULL,
    promotion   TEXT                                -- JSON: promoted_from_temp, temp_access_count, promoted_at
);

CREATE TABLE queue (
    slot        INTEGER PRIMARY KEY REFERENCES slot (slot) ON DELETE CASCADE,
    target      TEXT    NOT NULL CHECK (target IN ('persistent', 'temp')),
    ttl         REAL    NOT NULL,                   -- seconds, should it become a temp vector
    rank        INTEGER NOT NULL,                   -- 0 critical .. 3 low
    queued_at   REAL    NOT NULL,
    not_before  REAL    NOT NULL DEFAULT 0,
    attempts    INTEGER NOT NULL DEFAULT 0,
    lease_until REAL    NOT NULL DEFAULT 0,
    fence       INTEGER NOT NULL DEFAULT 0,         -- grows with every claim: a slow worker's late answer is refused
    error       TEXT,
    dead        INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX queue_order ON queue (dead, rank, slot);

CREATE TABLE temp (
    slot         INTEGER PRIMARY KEY REFERENCES slot (slot) ON DELETE CASCADE,
    expires_at   REAL    NOT NULL,
    access_count INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX temp_expiry ON temp (expires_at);

-- The distinct queries that found a temp vector, by digest.
CREATE TABLE finder (
    slot  INTEGER NOT NULL REFERENCES slot (slot) ON DELETE CASCADE,
    query BLOB    NOT NULL,
    PRIMARY KEY (slot, query)
) WITHOUT ROWID;

CREATE TABLE move (
    move    INTEGER PRIMARY KEY,
    slot    INTEGER NOT NULL REFERENCES slot (slot) ON DELETE CASCADE,
    at      REAL    NOT NULL,
    source  TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    reason  TEXT    NOT NULL
);
CREATE INDEX move_slot ON move (slot);

-- Slots that are gone, so that other processes' indexes learn of it.
CREATE TABLE gone (
    slot    INTEGER PRIMARY KEY,
    changed INTEGER NOT NULL
);
CREATE INDEX gone_changed ON gone (changed);

-- What is in use and what was done, per namespace; kept in the transactions that cause it.
CREATE TABLE counter (
    namespace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    value     INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;

-- What was learned of a namespace: novelty, feedback.
CREATE TABLE learned (
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     BLOB NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('change', 0), ('forgotten', 0);
