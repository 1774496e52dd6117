-- What only a gateway knows: circuit breakers (CB) and keys that cool (KP), one value a row. The
-- key is a JSON list of label values.
CREATE TABLE gauge (
    kind   TEXT NOT NULL CHECK (kind IN ('CB', 'KP')),
    key    TEXT NOT NULL,
    name   TEXT NOT NULL,
    value  INTEGER NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (kind, key, name)
) WITHOUT ROWID;
