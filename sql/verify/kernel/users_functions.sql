-- Verify pg-tenancy:kernel/users_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_other_account()',
    'tenancy_private.refuse_user_id()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.visible_user_ids()',
    'tenancy.sees_all_users()',
    'tenancy.all_users(text, uuid, integer)',
    'tenancy.create_user(text, text, text, text, text)',
    'tenancy.update_user(uuid, text, text, text, text, text)',
    'tenancy.delete_user(uuid)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
