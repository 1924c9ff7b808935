-- The whole schema as the migrations build it; a test compares the two.
-- Times (*_ms) are milliseconds since the epoch, UTC. *_json columns hold JSON text.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runtime (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    kernel_name     TEXT NOT NULL,
    language        TEXT,
    origin          TEXT NOT NULL,
    status          TEXT NOT NULL,
    incarnation     INTEGER NOT NULL,
    pid             INTEGER,
    start_time      INTEGER,
    boot_id         TEXT,
    connection_file TEXT NOT NULL,
    transport       TEXT NOT NULL,
    ip              TEXT,
    private         INTEGER NOT NULL,
    environment     TEXT,
    environment_key TEXT NOT NULL,
    project         TEXT,
    implicit        INTEGER NOT NULL,
    cwd             TEXT NOT NULL,
    idle_stop_s     REAL,
    created_ms      INTEGER NOT NULL,
    ended_ms        INTEGER,
    exit_json       TEXT,
    notices_json    TEXT NOT NULL,
    launch_json     TEXT NOT NULL,
    journal_offset  INTEGER NOT NULL,
    removed_ms      INTEGER,
    owner_json      TEXT,
    record          TEXT NOT NULL DEFAULT 'all',
    -- {client, pid, agent} of whoever asked for it, null where somebody else started the kernel.
    started_by_json TEXT,
    -- Whether agents see it that did not start it.
    shared          INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX runtime_living ON runtime (id) WHERE status <> 'dead';

-- The number is the order of submission: ids may be chosen by clients.
CREATE TABLE execution (
    number            INTEGER PRIMARY KEY,
    id                TEXT NOT NULL UNIQUE,
    runtime_id        TEXT NOT NULL REFERENCES runtime (id),
    incarnation       INTEGER,
    status            TEXT NOT NULL,
    queued_ms         INTEGER NOT NULL,
    started_ms        INTEGER,
    ended_ms          INTEGER,
    execution_count   INTEGER,
    requested_by_json TEXT NOT NULL,
    cell_notebook     TEXT,
    cell_id           TEXT,
    group_name        TEXT,
    stop_on_error     INTEGER NOT NULL,
    carry_over        INTEGER NOT NULL,
    input_json        TEXT,
    gap_json          TEXT,
    reason            TEXT,
    progress_json     TEXT NOT NULL,
    -- "<session>/<msg_id>" of an execution that another client requested.
    origin            TEXT,
    pinned_ms         INTEGER,
    -- What retention has removed of its outputs: {at_ms, reason, size_bytes}.
    outputs_removed_json TEXT,
    -- Which limits of its runtime it has exceeded, and what was done about it:
    -- {time, output: sentences, left_running}.
    exceeded_json        TEXT
) STRICT;
-- What was submitted, which never changes: an execution's row is written again at every step.
-- Its stdin goes once it is final.
CREATE TABLE submission (
    number    INTEGER PRIMARY KEY REFERENCES execution (number),
    code      TEXT NOT NULL,
    stdin     TEXT,
    argv_json TEXT
) STRICT;
CREATE INDEX execution_by_runtime ON execution (runtime_id);
CREATE INDEX execution_by_cell ON execution (cell_notebook, cell_id) WHERE cell_id IS NOT NULL;
CREATE INDEX execution_open ON execution (runtime_id)
    WHERE status IN ('queued', 'running', 'waiting_input');
CREATE INDEX execution_short ON execution (substr(id, -8));
CREATE INDEX execution_by_origin ON execution (runtime_id, origin) WHERE origin IS NOT NULL;

-- Every change, in the one order of all changes. Outputs are the events of type 'output'.
CREATE TABLE event (
    seq          INTEGER PRIMARY KEY,
    at_ms        INTEGER NOT NULL,
    type         TEXT NOT NULL,
    runtime_id   TEXT,
    execution_id TEXT,
    data_json    TEXT NOT NULL,
    notebook_id  TEXT
) STRICT;
CREATE INDEX event_by_runtime ON event (runtime_id, seq);
CREATE INDEX event_by_execution ON event (execution_id, seq) WHERE execution_id IS NOT NULL;

-- Which executions show an output under a display_id, so that an update finds them.
CREATE TABLE display (
    runtime_id   TEXT NOT NULL,
    display_id   TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    PRIMARY KEY (runtime_id, display_id, execution_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob (
    sha256     TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Kernelspecs that did not work over ipc and did over tcp, as they were then.
CREATE TABLE tcp_kernel (
    spec_path  TEXT PRIMARY KEY,
    version    TEXT NOT NULL,
    noted_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is kept of the executions of others, by the directory that their kernels work in.
CREATE TABLE record_rule (
    directory TEXT PRIMARY KEY,
    record    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

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
    file_sha256   TEXT,
    -- The SHA-256 of what is just being written to its file.
    writing_sha256 TEXT
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
CREATE INDEX event_by_notebook ON event (notebook_id, seq) WHERE notebook_id IS NOT NULL;

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

-- The newest event of each notebook and cell. Those before it have lost their content.
CREATE TABLE document_event (
    document_id TEXT PRIMARY KEY,
    seq         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an agent, or a kind of client, has submitted, in that order.
CREATE INDEX execution_by_client ON execution (json_extract(requested_by_json, '$.client'));
CREATE INDEX execution_by_agent ON execution (json_extract(requested_by_json, '$.agent'))
    WHERE json_extract(requested_by_json, '$.agent') IS NOT NULL;
