-- The ledger in one file. Times are microseconds since 1970 in UTC, but for names in _ms
-- (milliseconds). Lists and objects are JSON text. Flags are 0 or 1. NULL: not known or not there.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO setting (name, value) VALUES ('cursor_key', randomblob(32));

CREATE TABLE session (
    session_key              TEXT PRIMARY KEY,   -- different for every initiator
    session_id               TEXT NOT NULL,      -- what people see: the client's, or the root's id
    initiator_id             TEXT NOT NULL,
    initiator_username       TEXT NOT NULL,
    client                   TEXT NOT NULL,
    metadata                 TEXT,
    started_at               INTEGER NOT NULL,
    ended_at                 INTEGER,            -- the latest end
    last_active_ms           INTEGER NOT NULL,   -- the newest prompt, else the first start
    a1 INTEGER, a2 INTEGER, a3 INTEGER, a4 INTEGER, a5 INTEGER, a6 INTEGER, a7 INTEGER,
    last_prompt              TEXT,               -- 200 characters of it
    closed                   INTEGER NOT NULL DEFAULT 0,
    closed_main              INTEGER NOT NULL DEFAULT 0,  -- of these no side requests
    errors                   INTEGER NOT NULL DEFAULT 0,
    threads                  INTEGER NOT NULL DEFAULT 0,
    input_tokens             INTEGER NOT NULL DEFAULT 0,
    output_tokens            INTEGER NOT NULL DEFAULT 0,
    cache_read_input_tokens  INTEGER NOT NULL DEFAULT 0,
    cache_write_input_tokens INTEGER NOT NULL DEFAULT 0,
    expires_at               INTEGER             -- of the interception that lives longest
) WITHOUT ROWID;
CREATE INDEX session_by_activity ON session (last_active_ms, session_key);
CREATE INDEX session_by_initiator ON session (initiator_id, last_active_ms, session_key);
CREATE INDEX session_by_id ON session (session_id, last_active_ms, session_key);
CREATE INDEX session_by_expiry ON session (expires_at) WHERE expires_at IS NOT NULL;

-- Which names occur together in one interception of a session; filters are decided here.
CREATE TABLE combination (
    session_key    TEXT NOT NULL REFERENCES session ON DELETE CASCADE,
    provider       TEXT NOT NULL,
    provider_name  TEXT NOT NULL,
    model          TEXT NOT NULL,
    client         TEXT NOT NULL COLLATE NOCASE,
    ended          INTEGER NOT NULL DEFAULT 0,   -- 1 once such an interception has ended
    last_active_ms INTEGER NOT NULL,             -- the session's
    PRIMARY KEY (session_key, provider, provider_name, model, client)
) WITHOUT ROWID;
CREATE INDEX combination_by_provider ON combination (provider, last_active_ms, session_key);
CREATE INDEX combination_by_provider_name
    ON combination (provider_name, last_active_ms, session_key);
CREATE INDEX combination_by_model ON combination (model, last_active_ms, session_key);
CREATE INDEX combination_by_client ON combination (client, last_active_ms, session_key);

CREATE TABLE interception (
    id                             TEXT PRIMARY KEY,
    session_key                    TEXT NOT NULL REFERENCES session,
    initiator_id                   TEXT NOT NULL,
    initiator_username             TEXT NOT NULL,
    api_key_id                     TEXT NOT NULL,
    provider                       TEXT NOT NULL,
    provider_name                  TEXT NOT NULL,
    provider_type                  TEXT NOT NULL,
    model                          TEXT NOT NULL,
    dialect                        TEXT NOT NULL,
    route                          TEXT NOT NULL,
    method                         TEXT NOT NULL,
    streaming                      INTEGER NOT NULL,
    client                         TEXT NOT NULL COLLATE NOCASE,
    client_version                 TEXT,
    user_agent                     TEXT,
    client_session_id              TEXT,
    agent_id                       TEXT,
    parent_session_id              TEXT,
    auxiliary                      INTEGER NOT NULL,
    answered_calls                 TEXT,         -- [call id, is an error, bytes of the result]
    thread_parent_id               TEXT,
    thread_root_id                 TEXT,
    previous_response_id           TEXT,
    credential_kind                TEXT NOT NULL,
    credential_hint                TEXT,
    retry_count                    INTEGER,
    request_bytes                  INTEGER NOT NULL,
    request_sha256                 TEXT NOT NULL,
    agent_firewall_session_id      TEXT,
    agent_firewall_sequence_number INTEGER,
    metadata                       TEXT,
    has_prompt                     INTEGER NOT NULL,
    started_at                     INTEGER NOT NULL,
    expires_at                     INTEGER,
    -- what the end added
    ended_at                       INTEGER,      -- NULL: in flight
    outcome                        TEXT,
    error_type                     TEXT,
    error_message                  TEXT,
    http_status                    INTEGER,
    provider_request_id            TEXT,
    provider_response_id           TEXT,
    provider_model                 TEXT,
    stop_reason                    TEXT,
    first_byte_at                  INTEGER,
    response_bytes                 INTEGER,
    undelivered_bytes              INTEGER,
    key_attempts                   INTEGER,
    usage_missing                  INTEGER,
    usage_partial                  INTEGER,
    deaf                           TEXT,
    tokens                         TEXT,
    calls                          TEXT,         -- [call id, tool]
    closing_credential_hint        TEXT,
    closing_thread_parent_id       TEXT,
    closing_thread_root_id         TEXT
);
CREATE INDEX interception_by_start ON interception (started_at, id);
CREATE INDEX interception_by_initiator ON interception (initiator_id, started_at, id);
CREATE INDEX interception_by_session ON interception (session_key, started_at, id);
CREATE INDEX interception_by_provider ON interception (provider, started_at, id);
CREATE INDEX interception_by_provider_name ON interception (provider_name, started_at, id);
CREATE INDEX interception_by_model ON interception (model, started_at, id);
CREATE INDEX interception_by_client ON interception (client, started_at, id);
CREATE INDEX interception_open ON interception (started_at, session_key) WHERE ended_at IS NULL;
CREATE INDEX interception_open_by_session ON interception (session_key) WHERE ended_at IS NULL;
CREATE INDEX interception_by_expiry ON interception (expires_at) WHERE expires_at IS NOT NULL;

-- Part 0 is the prompt, part 1 what the answer said: JSON behind one byte that names the
-- compression (1: zlib).
CREATE TABLE payload (
    interception_id TEXT NOT NULL REFERENCES interception ON DELETE CASCADE,
    part            INTEGER NOT NULL,
    expires_at      INTEGER,
    content         BLOB NOT NULL,
    PRIMARY KEY (interception_id, part)
);

-- Which interception made a tool call or response. client_session_id is '' where there is none.
CREATE TABLE pointer (
    initiator_id      TEXT NOT NULL,
    client_session_id TEXT NOT NULL,
    kind              TEXT NOT NULL CHECK (kind IN ('call', 'response')),
    value             TEXT NOT NULL,
    started_at        INTEGER NOT NULL,
    interception_id   TEXT NOT NULL REFERENCES interception ON DELETE CASCADE,
    expires_at        INTEGER,
    PRIMARY KEY (initiator_id, client_session_id, kind, value, started_at, interception_id)
) WITHOUT ROWID;
CREATE INDEX pointer_by_interception ON pointer (interception_id);

-- What metrics are made of. The key is a JSON list of label values.
CREATE TABLE counter (
    kind      TEXT NOT NULL,
    key       TEXT NOT NULL,
    attribute TEXT NOT NULL,
    amount    INTEGER NOT NULL,
    PRIMARY KEY (kind, key, attribute)
) WITHOUT ROWID;

CREATE TABLE user (
    id             TEXT PRIMARY KEY,
    username       TEXT NOT NULL UNIQUE,
    role           TEXT NOT NULL,
    status         TEXT NOT NULL,
    name           TEXT,
    email          TEXT,
    groups         TEXT NOT NULL,
    iam_principals TEXT NOT NULL,
    created_at     INTEGER NOT NULL
);

CREATE TABLE key (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL,
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,
    sha256       TEXT NOT NULL,                  -- of the whole key text, as hex
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
);
CREATE INDEX key_by_user ON key (user_id, created_at, id);

CREATE TABLE provider (
    name     TEXT PRIMARY KEY,
    document TEXT NOT NULL,                      -- JSON, without secrets
    version  INTEGER NOT NULL
);

CREATE TABLE snapshot (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    version      INTEGER NOT NULL DEFAULT 0,     -- 0: nothing was published yet
    digest       TEXT NOT NULL DEFAULT '',
    document     BLOB NOT NULL DEFAULT x'',
    attempted_at INTEGER,
    succeeded_at INTEGER
);
INSERT INTO snapshot (one) VALUES (1);
