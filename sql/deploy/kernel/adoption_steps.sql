-- Deploy pg-tenancy:kernel/adoption_steps to pg
-- requires: kernel/policy_helpers
-- requires: kernel/archive_helpers

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

\set schema tenancy_private
\ir ../../adoption/patiently.psql
\ir ../../adoption/orphans.psql
\unset schema

REVOKE ALL ON ROUTINE tenancy_private.patiently(regclass[], text, text) FROM public;
REVOKE ALL ON ROUTINE tenancy_private.refuse_orphans(regclass, name, regclass, text) FROM public;
REVOKE ALL ON ROUTINE tenancy_private.validate_constraint(regclass, name) FROM public;
COMMENT ON PROCEDURE tenancy_private.patiently (regclass [], text, text) IS
'Runs a command under strong locks that it gives up soon and asks for again, so that nobody waits long.';

COMMIT;
