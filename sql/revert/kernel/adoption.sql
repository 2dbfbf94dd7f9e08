-- Revert pg-tenancy:kernel/adoption from pg

\set change kernel/adoption
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.adopt_table(regclass, name, name, boolean);
DROP PROCEDURE tenancy_private.add_keys(regclass, name, regclass, boolean);
DROP FUNCTION tenancy_private.name_of_part(regclass, text, name[], text);
DROP FUNCTION tenancy_private.has_unique_index(regclass, name[]);
DROP FUNCTION tenancy_private.is_enforced(pg_constraint);
DROP PROCEDURE tenancy_private.grant_schema(regclass);
DROP PROCEDURE tenancy_private.grant_rights(regclass, name, text[]);
DROP FUNCTION tenancy_private.name_for(regclass, text);
DROP FUNCTION tenancy_private.short_name(regclass, text);
DROP PROCEDURE tenancy_private.tell_unprotected();
DROP FUNCTION tenancy.unprotected_tables();
DROP PROCEDURE tenancy_private.tell_closed_columns(regclass);
DROP FUNCTION tenancy_private.optional_columns(regclass, name[]);
DROP FUNCTION tenancy_private.key_columns(regclass);
DROP PROCEDURE tenancy_private.check_adoptable(regclass);
DROP FUNCTION tenancy.default_author_id();
DROP FUNCTION tenancy.default_workspace_id();

\ir ../../notes/done.psql
COMMIT;
