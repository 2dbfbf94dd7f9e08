-- Revert pg-tenancy:kernel/adoption_steps from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.validate_constraint(regclass, name);
DROP PROCEDURE tenancy_private.refuse_orphans(regclass, name, regclass, text);
DROP PROCEDURE tenancy_private.patiently(regclass[], text, text);

COMMIT;
