-- What is searched, in a file of its own: all of it follows from the database, so it is made anew
-- where it does not fit. Text is here once, and indexed twice (external content tables,
-- https://www.sqlite.org/fts5.html#external_content_tables). secure-delete: what is taken out of
-- an index is gone from it, and not only marked as deleted.

CREATE TABLE state (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Entered with their code, and to be entered again once they are final.
CREATE TABLE unfinished (number INTEGER PRIMARY KEY) STRICT;

CREATE TABLE text (
    number INTEGER PRIMARY KEY,
    code   TEXT NOT NULL,
    error  TEXT NOT NULL,
    output TEXT NOT NULL
) STRICT;

-- Words, for `runt search`.
CREATE VIRTUAL TABLE words USING fts5(
    code, error, output, content='text', content_rowid='number',
    tokenize="unicode61 remove_diacritics 2", prefix='2 3 4'
);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

-- Any three characters in a row, for `runt history --grep`.
CREATE VIRTUAL TABLE parts USING fts5(
    code, content='text', content_rowid='number', tokenize='trigram', detail=none
);
INSERT INTO parts (parts, rank) VALUES ('secure-delete', 1);
