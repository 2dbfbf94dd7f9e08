-- Revert pg-tenancy:kernel/lint from pg

\set change kernel/lint
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.lint(text[], text[]);
DROP FUNCTION tenancy_private.lint_index_duplicate();
DROP FUNCTION tenancy_private.lint_index_without_tenant();
DROP FUNCTION tenancy_private.lint_index_useless();
DROP FUNCTION tenancy_private.lint_tenant_not_indexed();
DROP FUNCTION tenancy_private.lint_unique_without_tenant();
DROP FUNCTION tenancy_private.lint_foreign_key_clears_tenant();
DROP FUNCTION tenancy_private.lint_foreign_key_crosses();
DROP FUNCTION tenancy_private.lint_key_not_enforced();
DROP FUNCTION tenancy_private.lint_values_logged();
DROP FUNCTION tenancy_private.lint_extension_looks_past();
DROP FUNCTION tenancy_private.lint_publication_carries_tenants();
DROP FUNCTION tenancy_private.lint_foreign_server_open();
DROP FUNCTION tenancy_private.lint_large_objects_open();
DROP FUNCTION tenancy_private.lint_server_function_granted();
DROP FUNCTION tenancy_private.lint_sessions_public();
DROP FUNCTION tenancy_private.lint_statistics_public();
DROP FUNCTION tenancy_private.lint_parameter_granted();
DROP FUNCTION tenancy_private.lint_setting_of_role();
DROP FUNCTION tenancy_private.lint_database_temporary();
DROP FUNCTION tenancy_private.lint_database_writable();
DROP FUNCTION tenancy_private.lint_schema_writable();
DROP FUNCTION tenancy_private.lint_login_privileged();
DROP FUNCTION tenancy_private.lint_login_owns_functions();
DROP FUNCTION tenancy_private.lint_login_owns_tables();
DROP FUNCTION tenancy_private.linted_owners();
DROP FUNCTION tenancy_private.lint_login_trusted();
DROP FUNCTION tenancy_private.lint_login_bypasses();
DROP FUNCTION tenancy_private.lint_secret_in_catalog();
DROP FUNCTION tenancy_private.lint_definer_tenant_argument();
DROP FUNCTION tenancy_private.lint_definer_switches_tenant();
DROP FUNCTION tenancy_private.lint_definer_dynamic_sql();
DROP FUNCTION tenancy_private.lint_function_leakproof();
DROP FUNCTION tenancy_private.lint_rule_on_table();
DROP FUNCTION tenancy_private.lint_trigger_disabled();
DROP FUNCTION tenancy_private.lint_trigger_of_another();
DROP FUNCTION tenancy_private.lint_trigger_privileged();
DROP FUNCTION tenancy_private.lint_definer_search_path();
DROP FUNCTION tenancy_private.lint_definer_reads_tenants();
DROP FUNCTION tenancy_private.lint_definer_public();
DROP FUNCTION tenancy_private.linted_definers();
DROP FUNCTION tenancy_private.lint_materialized_view_open();
DROP FUNCTION tenancy_private.lint_view_as_owner();
DROP FUNCTION tenancy_private.linted_views();
DROP FUNCTION tenancy_private.lint_policy_reads_protected_table();
DROP FUNCTION tenancy_private.lint_context_function_immutable();
DROP FUNCTION tenancy_private.lint_policy_list_of_tenants();
DROP FUNCTION tenancy_private.lint_policy_function_not_parallel();
DROP FUNCTION tenancy_private.lint_policy_function_volatile();
DROP FUNCTION tenancy_private.lint_policy_call_per_row();
DROP FUNCTION tenancy_private.lint_policy_reads_open_table();
DROP FUNCTION tenancy_private.lint_policy_any_tenant();
DROP FUNCTION tenancy_private.lint_policy_setting_unguarded();
DROP FUNCTION tenancy_private.lint_policy_trusts_setting();
DROP FUNCTION tenancy_private.lint_policy_distinct_from();
DROP FUNCTION tenancy_private.lint_policies_joined_by_or();
DROP FUNCTION tenancy_private.lint_command_without_policy();
DROP FUNCTION tenancy_private.lint_floor_misses_role();
DROP FUNCTION tenancy_private.lint_floor_missing();
DROP FUNCTION tenancy_private.lint_policy_ignores_tenant();
DROP FUNCTION tenancy_private.lint_policy_check_lax();
DROP FUNCTION tenancy_private.lint_policy_check_open();
DROP FUNCTION tenancy_private.lint_policy_always_true();
DROP FUNCTION tenancy_private.lint_new_tables_unguarded();
DROP FUNCTION tenancy_private.lint_secret_readable();
DROP FUNCTION tenancy_private.lint_number_counts_rows();
DROP FUNCTION tenancy_private.lint_sequence_settable();
DROP FUNCTION tenancy_private.lint_grant_option();
DROP FUNCTION tenancy_private.lint_owner_column_unused();
DROP FUNCTION tenancy_private.lint_default_privileges();
DROP FUNCTION tenancy_private.lint_column_grant_void();
DROP FUNCTION tenancy_private.lint_grant_too_wide();
DROP FUNCTION tenancy_private.lint_tenant_column_updatable();
DROP FUNCTION tenancy_private.lint_tenant_column_nullable();
DROP FUNCTION tenancy_private.lint_foreign_table_open();
DROP FUNCTION tenancy_private.lint_partition_open();
DROP FUNCTION tenancy_private.lint_rls_not_forced();
DROP FUNCTION tenancy_private.lint_rls_disabled();
DROP FUNCTION tenancy_private.lint_tenants_not_found();
DROP FUNCTION tenancy_private.lint_server_outdated();
DROP FUNCTION tenancy_private.linted_access();
DROP FUNCTION tenancy_private.linted_policies();
DROP FUNCTION tenancy_private.linted_tables();
DROP FUNCTION tenancy_private.linted_subjects();
DROP FUNCTION tenancy_private.linted_roles();
DROP FUNCTION tenancy_private.linted_settings();

\ir ../../notes/done.psql
COMMIT;
