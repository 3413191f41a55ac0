-- SPDX-License-Identifier: Apache-2.0
-- The ledger and the documents: what nothing may change once it is written.

-- +goose Up
CREATE TABLE ledgers (
    org  INTEGER NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL CHECK (size >= 0),
    head BLOB   NOT NULL
);

-- nodes are the hashes of the Merkle tree that the leaf completes.
CREATE TABLE leaves (
    org   BIGINT NOT NULL,
    seq   BIGINT NOT NULL,
    kind  TEXT   NOT NULL,
    body  BLOB   NOT NULL,
    nodes BLOB   NOT NULL,
    PRIMARY KEY (org, seq)
) WITHOUT ROWID;

CREATE TABLE documents (
    org            BIGINT NOT NULL,
    kind           TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    version        BIGINT NOT NULL CHECK (version > 0),
    schema         BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    recorded_at    BIGINT NOT NULL,
    effective_from BIGINT NOT NULL,
    effective_to   BIGINT,
    actor          TEXT   NOT NULL,
    body           BLOB   NOT NULL,
    digest         BLOB   NOT NULL,
    PRIMARY KEY (org, kind, id, version)
);
CREATE UNIQUE INDEX documents_seq ON documents (org, seq);

-- +goose StatementBegin
CREATE TRIGGER leaves_no_update BEFORE UPDATE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'leaves are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER leaves_no_delete BEFORE DELETE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'leaves are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER documents_no_update BEFORE UPDATE ON documents
BEGIN
    SELECT RAISE(ABORT, 'documents are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER documents_no_delete BEFORE DELETE ON documents
BEGIN
    SELECT RAISE(ABORT, 'documents are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledgers_no_delete BEFORE DELETE ON ledgers
BEGIN
    SELECT RAISE(ABORT, 'a ledger cannot be deleted');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledgers_grow BEFORE UPDATE ON ledgers
WHEN NEW.org <> OLD.org OR NEW.size <= OLD.size
BEGIN
    SELECT RAISE(ABORT, 'a ledger can only grow');
END;
-- +goose StatementEnd
