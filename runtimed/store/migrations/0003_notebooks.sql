-- Notebooks that are open, and their cells.

CREATE TABLE notebook (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    path          TEXT,
    metadata_json TEXT NOT NULL,
    runtime_id    TEXT REFERENCES runtime (id),
    revision      INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL,
    changed_ms    INTEGER NOT NULL,
    saved_ms      INTEGER,
    -- The newest event when it was as its file is: one of its events after that is a change.
    saved_seq     INTEGER,
    -- The SHA-256 of its file, as it was last read or written.
    file_sha256   TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX notebook_by_path ON notebook (path) WHERE path IS NOT NULL;

CREATE TABLE cell (
    id               TEXT PRIMARY KEY,
    notebook_id      TEXT NOT NULL REFERENCES notebook (id),
    position         REAL NOT NULL,
    kind             TEXT NOT NULL,
    src              TEXT NOT NULL,
    nb_id            TEXT NOT NULL,
    metadata_json    TEXT NOT NULL,
    attachments_json TEXT,
    revision         INTEGER NOT NULL
) STRICT;
CREATE INDEX cell_by_notebook ON cell (notebook_id, position);
CREATE INDEX cell_short ON cell (substr(id, -8));

-- What a cell's file had of outputs, until a run takes their place: executions after that number.
CREATE TABLE cell_output (
    cell_id         TEXT PRIMARY KEY REFERENCES cell (id),
    execution_count INTEGER,
    outputs_json    TEXT NOT NULL,
    number          INTEGER NOT NULL
) STRICT;

-- Whose cell it was that ran; of events of the notebook's own, which one it is.
ALTER TABLE event ADD COLUMN notebook_id TEXT;
CREATE INDEX event_by_notebook ON event (notebook_id, seq) WHERE notebook_id IS NOT NULL;
