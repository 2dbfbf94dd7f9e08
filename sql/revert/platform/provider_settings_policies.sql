-- Revert pg-tenancy:platform/provider_settings_policies from pg

\set change platform/provider_settings_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.provider_settings');

CALL tenancy.unprotect('public.provider_settings');

\ir ../../notes/done.psql
COMMIT;
