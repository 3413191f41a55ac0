-- SPDX-License-Identifier: Apache-2.0
-- Tables derived from the ledger and the packs; "tickmark rebuild" makes them
-- again from this file, under other names, and swaps them in. Rows of a batch
-- whose snapshot has no seq yet are staged: no reader sees them.

-- +goose Up
CREATE TABLE snapshots (
    org         BIGINT NOT NULL,
    batch       BIGINT NOT NULL,
    seq         BIGINT,
    id          TEXT COLLATE "C"   NOT NULL,
    origin      TEXT COLLATE "C"   NOT NULL,
    observed_at BIGINT NOT NULL,
    recorded_at BIGINT,
    late        BIGINT NOT NULL,
    segments    BIGINT NOT NULL,
    pages       BIGINT NOT NULL,
    items       BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    results     BIGINT NOT NULL,
    transitions BIGINT NOT NULL,
    token       TEXT COLLATE "C",
    PRIMARY KEY (org, batch)
);

CREATE TABLE segments (
    org      BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    batch    BIGINT NOT NULL,
    source   TEXT COLLATE "C"   NOT NULL,
    scope    TEXT COLLATE "C"   NOT NULL,
    manifest BYTEA   NOT NULL,
    PRIMARY KEY (org, seq)
);
CREATE INDEX segments_place ON segments (org, source, scope, seq);

CREATE TABLE blocks (
    org    BIGINT NOT NULL,
    block  BIGINT NOT NULL,
    batch  BIGINT NOT NULL,
    pack   BIGINT NOT NULL,
    off    BIGINT NOT NULL,
    len    BIGINT NOT NULL,
    atoms  BIGINT NOT NULL,
    digest BYTEA   NOT NULL,
    PRIMARY KEY (org, block)
);

-- pos is the atom's place in its block's list.
CREATE TABLE atoms (
    org    BIGINT NOT NULL,
    digest BYTEA   NOT NULL,
    block  BIGINT NOT NULL,
    pos    BIGINT NOT NULL,
    PRIMARY KEY (org, digest)
);

CREATE TABLE reasons (
    org   BIGINT NOT NULL,
    id    BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    name  BYTEA   NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE checks (
    org   BIGINT NOT NULL,
    id    BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    name  BYTEA   NOT NULL,
    PRIMARY KEY (org, id)
);

-- Names are bytes, so that both databases keep and order them alike.
CREATE TABLE resources (
    org   BIGINT NOT NULL,
    id    BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    name  BYTEA   NOT NULL,
    type  BYTEA   NOT NULL,
    PRIMARY KEY (org, id)
);

-- A verdict from batch known_from on, until batch known_to (NULL: open).
-- valid_* are when those snapshots were observed.
CREATE TABLE intervals (
    org         BIGINT NOT NULL,
    resource_id BIGINT NOT NULL,
    check_id    BIGINT NOT NULL,
    known_from  BIGINT NOT NULL,
    known_to    BIGINT,
    verdict     BIGINT NOT NULL CHECK (verdict BETWEEN 0 AND 4),
    reason_id   BIGINT NOT NULL,
    valid_from  BIGINT NOT NULL,
    valid_to    BIGINT,
    PRIMARY KEY (org, resource_id, check_id, known_from)
);

CREATE TABLE counts (
    org            BIGINT NOT NULL,
    batch          BIGINT NOT NULL,
    check_id       BIGINT NOT NULL,
    scope          TEXT COLLATE "C"   NOT NULL,
    fail           BIGINT NOT NULL,
    pass           BIGINT NOT NULL,
    unknown        BIGINT NOT NULL,
    exempt         BIGINT NOT NULL,
    not_applicable BIGINT NOT NULL,
    PRIMARY KEY (org, batch, check_id, scope)
);
