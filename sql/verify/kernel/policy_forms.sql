-- Verify pg-tenancy:kernel/policy_forms on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.claimed_workspace()',
    'tenancy_private.claimed_user()',
    'tenancy_private.verified_author()',
    'tenancy_private.author_floor(name, text)',
    'tenancy_private.parent_floor(regclass, name, boolean, integer)',
    'tenancy_private.floor(name, text, text, text)',
    'tenancy_private.gate(text, text)',
    'tenancy_private.only_if(text, text)',
    'tenancy_private.list_gate(name, text)',
    'tenancy_private.catalogue_floor(name, text)',
    'tenancy_private.may(text, boolean, text)',
    'tenancy_private.members_floor(name, text)'
]);
CALL tenancy_private.verify_routines(
    ARRAY['tenancy.is_listed(uuid, uuid[])'], ARRAY['tenancy_credentialed', 'tenancy_service']
);

ROLLBACK;
