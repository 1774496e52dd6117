-- What the one publisher of metrics remembers. LEASE: who it is, until when, and its state.
CREATE TABLE publisher (
    name        TEXT PRIMARY KEY,
    content     BLOB NOT NULL,
    owner       TEXT,
    lease_until INTEGER
) WITHOUT ROWID;
