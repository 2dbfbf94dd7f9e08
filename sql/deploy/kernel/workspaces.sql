-- Deploy pg-tenancy:kernel/workspaces to pg
-- requires: kernel/owner_access
-- requires: kernel/archive_helpers
-- requires: kernel/foreign_keys
-- requires: kernel/adoption_steps

\set change kernel/workspaces
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);
SET LOCAL ROLE tenancy_owner;

-- Banners should differ at a glance, so a new workspace gets one of twelve colors on which
-- white text is legible.
CREATE FUNCTION tenancy_private.color_for(workspace_id uuid) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    ARRAY[
        '#1d4ed8', '#047857', '#b45309', '#7e22ce', '#be123c', '#0e7490',
        '#4d7c0f', '#a21caf', '#c2410c', '#4338ca', '#0f766e', '#6b21a8'
    ]
)[1 + get_byte(uuid_send(workspace_id), 15) % 12];
REVOKE ALL ON FUNCTION tenancy_private.color_for(uuid) FROM public;

-- One row for each person, each organization and the platform. The id is that of the person or
-- the organization, and the primary key keeps them distinct for ever: nobody can create an
-- organization with a person's id. Everything that people and organizations have in common as
-- tenants refers to this table.
CREATE TABLE tenancy.workspaces (
    id              uuid        NOT NULL,
    kind            text        NOT NULL,
    user_id         uuid,
    organization_id uuid,
    color           text        NOT NULL,
    plan            text        NOT NULL DEFAULT 'free',
    created_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    owner_changes   bigint      NOT NULL DEFAULT 0,
    CONSTRAINT workspaces_pkey PRIMARY KEY (id),
    CONSTRAINT workspaces_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES public.users (id) ON DELETE CASCADE,
    CONSTRAINT workspaces_organization_id_fkey FOREIGN KEY (organization_id)
    REFERENCES public.organizations (id) ON DELETE CASCADE,
    CONSTRAINT workspaces_kind_check CHECK (
        CASE kind
            WHEN 'personal' THEN user_id IS NOT NULL AND user_id = id AND organization_id IS NULL
            WHEN 'organization'
                THEN organization_id IS NOT NULL AND organization_id = id AND user_id IS NULL
            WHEN 'platform'
                THEN
                    id = '00000000-0000-0000-0000-000000000000'
                    AND user_id IS NULL AND organization_id IS NULL
            ELSE false
        END
    ),
    CONSTRAINT workspaces_color_check CHECK (color ~ '^[0-9A-Za-z#(),.%/ -]{1,64}$'),
    CONSTRAINT workspaces_plan_check CHECK (plan IN ('free', 'subscriber')),
    CONSTRAINT workspaces_deleted_at_check CHECK (deleted_at IS NULL OR kind = 'organization')
);
COMMENT ON TABLE tenancy.workspaces IS
'Workspaces in which a transaction can work: a person''s own, an organization''s, or the platform''s, which only its '
'staff enter.';
COMMENT ON COLUMN tenancy.workspaces.id IS
'The user''s id, the organization''s id, or the nil UUID for the platform.';
COMMENT ON COLUMN tenancy.workspaces.deleted_at IS
'When the organization was deleted. Nobody can enter it any more; its rows are kept until a service purges them.';
COMMENT ON COLUMN tenancy.workspaces.owner_changes IS
'Counts changes that could remove the organization''s last owner; writing it makes two such changes wait for each '
'other.';

-- For the look-ups of foreign keys; with the primary key as second column, so that a query
-- under row-level security reaches only entries of its own workspace.
CREATE INDEX workspaces_user_id_idx ON tenancy.workspaces (user_id, id);
CREATE INDEX workspaces_organization_id_idx ON tenancy.workspaces (organization_id, id);

-- Closed until workspaces_policies opens it.
CALL tenancy_private.close_own_table('tenancy.workspaces');

INSERT INTO tenancy.workspaces (id, kind, color)
VALUES ('00000000-0000-0000-0000-000000000000', 'platform', '#334155');

-- Inserting a person or an organization, by any means, creates its workspace: row
-- by row, because one statement may insert a person together with rows of that
-- person, whose keys are checked before triggers of the statement fire.
CREATE FUNCTION tenancy_private.add_workspace() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    INSERT INTO tenancy.workspaces (id, kind, user_id, organization_id, color)
    VALUES (
        new.id,
        tg_argv[0],
        CASE tg_argv[0] WHEN 'personal' THEN new.id END,
        CASE tg_argv[0] WHEN 'organization' THEN new.id END,
        tenancy_private.color_for(new.id)
    );
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_workspace() FROM public;

-- TRUNCATE ... CASCADE on organizations would empty this table as a whole, the
-- workspaces of people included.
CREATE FUNCTION tenancy_private.keep_workspaces() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'this would remove the workspaces of all users and organizations'
    USING ERRCODE = '55000',
    CONSTRAINT = 'workspaces_are_kept',
    HINT = 'Use DELETE on public.users or public.organizations: each row takes its workspace along.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_workspaces() FROM public;

CREATE TRIGGER workspaces_are_kept
BEFORE TRUNCATE ON tenancy.workspaces
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.keep_workspaces();
ALTER TABLE tenancy.workspaces ENABLE ALWAYS TRIGGER workspaces_are_kept;

RESET ROLE;

CREATE TRIGGER users_tenancy_workspaces
AFTER INSERT ON public.users
FOR EACH ROW EXECUTE FUNCTION tenancy_private.add_workspace('personal');

CREATE TRIGGER organizations_tenancy_workspaces
AFTER INSERT ON public.organizations
FOR EACH ROW EXECUTE FUNCTION tenancy_private.add_workspace('organization');

CALL tenancy_private.record_triggers('tenancy.workspaces', 'workspaces_are_kept');
CALL tenancy_private.record_triggers('public.users', 'users_tenancy_workspaces');
CALL tenancy_private.record_triggers('public.organizations', 'organizations_tenancy_workspaces');

\ir ../../notes/done.psql
COMMIT;
