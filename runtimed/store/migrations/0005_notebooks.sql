-- Numbers of executions are never given twice: the last one that was given to what is forgotten now.
INSERT INTO meta (key, value) SELECT 'execution.number', max(
    (SELECT coalesce(max(number), 0) FROM execution),
    (SELECT coalesce(max(number), 0) FROM cell_output)
);

-- The newest event of each notebook and cell. Those before it have lost their content.
CREATE TABLE document_event (
    document_id TEXT PRIMARY KEY,
    seq         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The SHA-256 of what is just being written to its file.
ALTER TABLE notebook ADD COLUMN writing_sha256 TEXT;
