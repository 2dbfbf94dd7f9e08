-- Deploy pg-tenancy:kernel/user_emails_backfill to pg
-- requires: kernel/user_emails

\set change kernel/user_emails_backfill
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- The addresses of existing accounts. Each row is locked, so that a concurrent change of an
-- address is not overwritten. The table of users is already closed to every role without a
-- policy.
SET ROLE tenancy_owner;

CALL tenancy_private.in_batches(
    :'change', 'addresses', 'public.users', 'public.users',
    'tenancy_private.email_key(t.email::text) IS NOT NULL '
    'AND NOT EXISTS (SELECT FROM tenancy_private.user_emails AS e WHERE e.user_id = t.id)',
    'INSERT INTO tenancy_private.user_emails (email, user_id) '
    'SELECT tenancy_private.email_key(t.email::text), t.id FROM public.users AS t '
    'WHERE t.id = ANY($1) ON CONFLICT (user_id) DO NOTHING'
);

RESET ROLE;

\ir ../../notes/done.psql
