-- Verify pg-tenancy:policy_helpers on pg

BEGIN;

CALL tenancy_private.verify_routine('tenancy_private.close_table(regclass)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.reopen_table(regclass)', '{}');
CALL tenancy_private.verify_routine('tenancy.drop_policies(regclass)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.verify_policies(regclass, text [])', '{}');
CALL tenancy_private.verify_routine('tenancy_private.verify_grants(regclass, text, text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.verify_routine(regprocedure, text [])', '{}');

ROLLBACK;
