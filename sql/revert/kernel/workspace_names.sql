-- Revert pg-tenancy:kernel/workspace_names from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.badge(uuid);
DROP FUNCTION tenancy.current_workspace();

COMMIT;
