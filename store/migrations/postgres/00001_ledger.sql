-- SPDX-License-Identifier: Apache-2.0
-- The ledger and the documents: what nothing may change once it is written.

-- +goose Up
CREATE TABLE ledgers (
    org  BIGINT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL CHECK (size >= 0),
    head BYTEA   NOT NULL
);

-- nodes are the hashes of the Merkle tree that the leaf completes.
CREATE TABLE leaves (
    org   BIGINT NOT NULL,
    seq   BIGINT NOT NULL,
    kind  TEXT COLLATE "C"   NOT NULL,
    body  BYTEA   NOT NULL,
    nodes BYTEA   NOT NULL,
    PRIMARY KEY (org, seq)
);

CREATE TABLE documents (
    org            BIGINT NOT NULL,
    kind           TEXT COLLATE "C"   NOT NULL,
    id             TEXT COLLATE "C"   NOT NULL,
    version        BIGINT NOT NULL CHECK (version > 0),
    schema         BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    recorded_at    BIGINT NOT NULL,
    effective_from BIGINT NOT NULL,
    effective_to   BIGINT,
    actor          TEXT COLLATE "C"   NOT NULL,
    body           BYTEA   NOT NULL,
    digest         BYTEA   NOT NULL,
    PRIMARY KEY (org, kind, id, version)
);
CREATE UNIQUE INDEX documents_seq ON documents (org, seq);

-- +goose StatementBegin
CREATE FUNCTION tickmark_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are append-only', TG_TABLE_NAME;
END;
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tickmark_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.org <> OLD.org OR NEW.size <= OLD.size THEN
        RAISE EXCEPTION 'a ledger can only grow';
    END IF;
    RETURN NEW;
END;
$$;
-- +goose StatementEnd
CREATE TRIGGER leaves_no_change BEFORE UPDATE OR DELETE ON leaves FOR EACH ROW EXECUTE FUNCTION tickmark_refuse();
CREATE TRIGGER leaves_no_truncate BEFORE TRUNCATE ON leaves FOR EACH STATEMENT EXECUTE FUNCTION tickmark_refuse();
CREATE TRIGGER documents_no_change BEFORE UPDATE OR DELETE ON documents FOR EACH ROW EXECUTE FUNCTION tickmark_refuse();
CREATE TRIGGER documents_no_truncate BEFORE TRUNCATE ON documents FOR EACH STATEMENT EXECUTE FUNCTION tickmark_refuse();
CREATE TRIGGER ledgers_no_delete BEFORE DELETE ON ledgers FOR EACH ROW EXECUTE FUNCTION tickmark_refuse();
CREATE TRIGGER ledgers_no_truncate BEFORE TRUNCATE ON ledgers FOR EACH STATEMENT EXECUTE FUNCTION tickmark_refuse();
CREATE TRIGGER ledgers_grow BEFORE UPDATE ON ledgers FOR EACH ROW EXECUTE FUNCTION tickmark_grow();
