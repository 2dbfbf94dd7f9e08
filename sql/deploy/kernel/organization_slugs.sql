-- Deploy pg-tenancy:kernel/organization_slugs to pg
-- requires: kernel/owner_access
-- requires: kernel/foreign_keys
-- requires: kernel/adoption_steps

\set change kernel/organization_slugs
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organizations']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

SET LOCAL ROLE tenancy_owner;

-- A slug names one organization, whatever its case. A unique index on organizations would
-- reveal more than that: a tenant could order the table by it, count the rows that row-level
-- security removed with EXPLAIN ANALYZE, and so read every slug. So taken slugs are kept here,
-- where no tenant can look.
CREATE TABLE tenancy_private.organization_slugs (
    slug            text NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT organization_slugs_pkey PRIMARY KEY (slug),
    CONSTRAINT organization_slugs_organization_id_key UNIQUE (organization_id),
    CONSTRAINT organization_slugs_organization_id_fkey FOREIGN KEY (organization_id)
    REFERENCES public.organizations (id) ON DELETE CASCADE
);
CALL tenancy_private.close_own_table('tenancy_private.organization_slugs');
COMMENT ON TABLE tenancy_private.organization_slugs IS
'The taken slugs, in lower case; maintained by a trigger on public.organizations.';

CREATE FUNCTION tenancy_private.take_slug() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
-- A slug that another transaction is about to take counts as taken.
SET lock_timeout = '250ms'
AS $$
BEGIN
    IF tg_op = 'UPDATE' THEN
        IF lower(old.slug) = lower(new.slug) THEN
            RETURN NULL;
        END IF;
        DELETE FROM tenancy_private.organization_slugs AS s WHERE s.organization_id = old.id;
    END IF;
    IF new.slug IS NOT NULL THEN
        INSERT INTO tenancy_private.organization_slugs (slug, organization_id)
        VALUES (lower(new.slug), new.id);
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN unique_violation OR lock_not_available THEN
        RAISE EXCEPTION 'this slug is taken'
        USING ERRCODE = '23505',
        CONSTRAINT = 'organization_slug_taken',
        HINT = 'Give another slug.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.take_slug() FROM public;

RESET ROLE;

CREATE TRIGGER organizations_tenancy_slug_insert
AFTER INSERT ON public.organizations
FOR EACH ROW EXECUTE FUNCTION tenancy_private.take_slug();

CREATE TRIGGER organizations_tenancy_slug_update
AFTER UPDATE ON public.organizations
FOR EACH ROW
WHEN (old.slug IS DISTINCT FROM new.slug)
EXECUTE FUNCTION tenancy_private.take_slug();

CALL tenancy_private.record_triggers(
    'public.organizations',
    'organizations_tenancy_slug_insert',
    'organizations_tenancy_slug_update'
);

\ir ../../notes/done.psql
COMMIT;
