-- Deploy pg-tenancy:kernel/workspaces_backfill to pg
-- requires: kernel/workspaces

\set change kernel/workspaces_backfill
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Workspaces for people and organizations older than the trigger. A row deleted meanwhile must
-- not return, and one inserted meanwhile already has its workspace.
SELECT format(
    'CALL tenancy_private.in_batches(%L, %L, %L, %L, %L, %L)',
    :'change', s.table_name, s.table_name, s.table_name,
    'NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = t.id)',
    format(
        'INSERT INTO tenancy.workspaces (id, kind, %I, color) '
        'SELECT t.id, %L, t.id, tenancy_private.color_for(t.id) FROM %s AS t WHERE t.id = ANY($1) '
        'ON CONFLICT (id) DO NOTHING',
        s.owner_column, s.kind, s.table_name
    )
)
FROM (VALUES
    ('public.users', 'personal', 'user_id'),
    ('public.organizations', 'organization', 'organization_id')
) AS s (table_name, kind, owner_column)
\gexec

-- Restores colors, plans and deleted organizations that a revert kept.
BEGIN;

SET LOCAL lock_timeout = '2s';

DO $$
BEGIN
    IF to_regclass('tenancy_archive.workspaces') IS NOT NULL THEN
        UPDATE tenancy.workspaces AS w
        SET
            color = a.color,
            plan = a.plan,
            created_at = a.created_at,
            deleted_at = a.deleted_at
        FROM tenancy_archive.workspaces AS a
        WHERE a.id = w.id AND a.kind = w.kind;
        CALL tenancy_private.drop_archived('workspaces');
    END IF;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
