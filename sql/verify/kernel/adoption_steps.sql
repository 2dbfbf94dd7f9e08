-- Verify pg-tenancy:kernel/adoption_steps on pg

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_orphans(regclass, name, regclass, text)',
    'tenancy_private.validate_constraint(regclass, name)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.patiently(regclass[], text, text)'
], pinned => false);

ROLLBACK;
