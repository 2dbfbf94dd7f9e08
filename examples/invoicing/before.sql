-- A small invoicing application before tenancy: one company uses it.
-- It runs as the login "invoicing", which owns its tables.
CREATE TABLE accounts (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    email         text        NOT NULL UNIQUE,
    username      text,
    first_name    text,
    last_name     text,
    password_hash text,
    role          text        NOT NULL DEFAULT 'user',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE customers (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE projects (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    name        text   NOT NULL,
    status      text   NOT NULL DEFAULT 'open'
);

-- A task belongs to a customer only through its project.
CREATE TABLE tasks (
    id         bigserial PRIMARY KEY,
    project_id bigint    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    title      text      NOT NULL,
    is_done    boolean   NOT NULL DEFAULT false
);

CREATE TABLE invoices (
    id          bigint         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint         NOT NULL REFERENCES customers (id) ON DELETE RESTRICT,
    amount      numeric(12, 2) NOT NULL CHECK (amount >= 0),
    margin      numeric(12, 2),
    sent_at     timestamptz
);

CREATE TABLE notes (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid        REFERENCES accounts (id) ON DELETE CASCADE,
    is_shared  boolean     NOT NULL DEFAULT false,
    body       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE currencies (
    code text PRIMARY KEY,
    name text NOT NULL
);
