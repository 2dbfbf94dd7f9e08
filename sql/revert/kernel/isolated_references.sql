-- Revert pg-tenancy:kernel/isolated_references from pg

\set change kernel/isolated_references
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.verify_references();
DROP FUNCTION tenancy_private.open_references(regclass);
DROP PROCEDURE tenancy_private.require_own_references(regclass, name, name[]);
DROP FUNCTION tenancy_private.references_to_others(regclass, name, name[]);

\ir ../../notes/done.psql
COMMIT;
