-- Revert pg-tenancy:kernel/organizations_functions from pg

\set change kernel/organizations_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.purge_organization(uuid);
DROP FUNCTION tenancy.restore_organization(uuid);
DROP FUNCTION tenancy_private.refuse_deleted(uuid);
DROP FUNCTION tenancy.delete_organization();
DROP FUNCTION tenancy.update_organization(text, text, text);
DROP FUNCTION tenancy.my_organizations();
DROP FUNCTION tenancy.create_organization(text, text);
DROP FUNCTION tenancy_private.organization_row(uuid);
DROP FUNCTION tenancy_private.slug_from_name(text);
DROP FUNCTION tenancy_private.checked_slug(text);
DROP FUNCTION tenancy_private.checked_name(text);
DROP FUNCTION tenancy_private.is_plain(text);
DROP FUNCTION tenancy_private.plain_text(text);
DROP FUNCTION tenancy_private.act_in_organization(text);
DROP FUNCTION tenancy_private.read_in_organization(text);
DROP FUNCTION tenancy_private.refuse_personal();

\ir ../../notes/done.psql
COMMIT;
