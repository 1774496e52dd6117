-- Work that outlives a process. The document is JSON.
CREATE TABLE job (
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
-- Until now what was deleted stayed in the file's free space: whoever scrubs it rewrites it once.
INSERT INTO setting (name, value) SELECT 'unwiped', 1 WHERE EXISTS (SELECT 1 FROM session);
