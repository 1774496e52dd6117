-- 1: the look-up of the parents had no answer when the record was closed; the sweep asks again.
ALTER TABLE interception ADD COLUMN parents_unknown INTEGER;
CREATE INDEX interception_unparented ON interception (started_at) WHERE parents_unknown = 1;
