-- What the console has in the database beside the application's own: where browsers are logged in.
-- Only the login that checks passwords reaches it, and no login that enters workspaces.
CREATE SCHEMA IF NOT EXISTS console;
REVOKE ALL ON SCHEMA console FROM public;

CREATE TABLE IF NOT EXISTS console.sessions (
    id         uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- A stolen backup opens no session.
    token_hash bytea       NOT NULL,
    user_id    uuid        NOT NULL,
    user_agent text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_token_hash_key UNIQUE (token_hash)
);
-- No foreign key to users: an account could not be deleted while somebody is logged in. A session without an
-- account enters nothing.
CREATE INDEX IF NOT EXISTS sessions_user_id_idx ON console.sessions (user_id);
