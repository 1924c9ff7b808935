-- Kernels that others started: who owns them, what is kept of them, and whose executions ran.

ALTER TABLE runtime ADD COLUMN owner_json TEXT;
ALTER TABLE runtime ADD COLUMN record TEXT NOT NULL DEFAULT 'all';

-- "<session>/<msg_id>" of an execution that another client requested.
ALTER TABLE execution ADD COLUMN origin TEXT;
CREATE INDEX execution_by_origin ON execution (runtime_id, origin) WHERE origin IS NOT NULL;

-- What is kept of the executions of others, by the directory that their kernels work in.
CREATE TABLE record_rule (
    directory TEXT PRIMARY KEY,
    record    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
