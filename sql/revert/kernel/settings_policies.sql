-- Revert pg-tenancy:kernel/settings_policies from pg

\set change kernel/settings_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.settings', 'tenancy.settings_definitions');

-- Closed again, as the change settings left them.
CALL tenancy.unprotect('tenancy.settings_definitions');
CALL tenancy.unprotect('tenancy.settings');

\ir ../../notes/done.psql
COMMIT;
