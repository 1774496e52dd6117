-- Which user signs as an AWS principal, and how often each key was used within a second.
CREATE TABLE principal (
    arn     TEXT PRIMARY KEY,                   -- a role's without its path
    user_id TEXT NOT NULL REFERENCES user
) WITHOUT ROWID;
CREATE INDEX principal_by_user ON principal (user_id);

CREATE TABLE rate_window (
    key_id TEXT NOT NULL,
    second INTEGER NOT NULL,                    -- since 1970
    n      INTEGER NOT NULL,
    PRIMARY KEY (key_id, second)
) WITHOUT ROWID;
