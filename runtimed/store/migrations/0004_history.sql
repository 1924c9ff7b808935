-- Recall: what is pinned, what retention has removed, who refers to a blob, and the indexes that
-- lists are read from. What is searched has a file of its own, see store/search.py.

ALTER TABLE execution ADD COLUMN pinned_ms INTEGER;
-- What retention has removed of its outputs: {at_ms, reason, size_bytes}.
ALTER TABLE execution ADD COLUMN outputs_removed_json TEXT;

-- Each is in the order of submission: an index ends with the number.
CREATE INDEX execution_by_whose ON execution (origin IS NULL);
CREATE INDEX execution_mine ON execution (runtime_id) WHERE origin IS NULL;
CREATE INDEX execution_theirs ON execution (runtime_id) WHERE origin IS NOT NULL;
CREATE INDEX execution_by_outcome ON execution (status)
    WHERE status NOT IN ('queued', 'running', 'waiting_input');
CREATE INDEX execution_outcome_of_runtime ON execution (runtime_id, status)
    WHERE status NOT IN ('queued', 'running', 'waiting_input');
CREATE INDEX execution_by_time ON execution (queued_ms);
CREATE INDEX execution_pinned ON execution (number) WHERE pinned_ms IS NOT NULL;

-- Who refers to a blob: an execution by its outputs, or another document by its own id.
CREATE TABLE blob_use (
    sha256 TEXT NOT NULL,
    owner  TEXT NOT NULL,
    PRIMARY KEY (sha256, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_use_by_owner ON blob_use (owner);
INSERT OR IGNORE INTO blob_use
    SELECT part.atom, event.execution_id
    FROM event, json_tree(event.data_json) AS part
    WHERE event.type = 'output' AND event.data_json LIKE '%"blob":"%'
        AND event.execution_id IS NOT NULL AND part.key = 'blob' AND part.type = 'text'
        AND part.atom IN (SELECT sha256 FROM blob);
