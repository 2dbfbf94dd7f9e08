-- Revert pg-tenancy:kernel/explain_access from pg

\set change kernel/explain_access
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.explain_access(regclass, text, uuid, uuid);
DROP FUNCTION tenancy_private.find_row(tenancy_private.protected_tables, text);
DROP FUNCTION tenancy_private.workspace_in_words(uuid);

\ir ../../notes/done.psql
COMMIT;
