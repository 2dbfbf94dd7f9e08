-- Revert pg-tenancy:platform/offering_access from pg

\set change platform/offering_access
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.resolve_offering(text);
DROP FUNCTION tenancy.shared_offerings();
DROP FUNCTION tenancy.community_catalog(uuid, integer);
DROP FUNCTION tenancy.set_catalog_preferences(boolean, boolean, boolean);
DROP FUNCTION tenancy.catalog_preferences();
DROP FUNCTION tenancy_private.offering_name(uuid, text);
DROP FUNCTION tenancy_private.refuse_offering_use(text, uuid);
DROP FUNCTION tenancy_private.offering_access(uuid, uuid, timestamptz);
DROP FUNCTION tenancy_private.shares_with(uuid, uuid, uuid);
DROP FUNCTION tenancy_private.shared_price(jsonb);
DROP FUNCTION tenancy_private.offering_price(uuid, uuid, timestamptz);
DROP FUNCTION tenancy_private.missing_activations(public.organization_models);
DROP FUNCTION tenancy_private.refuse_offering();

\ir ../../notes/done.psql
COMMIT;
