-- Deploy pg-tenancy:kernel/settings_policies to pg
-- requires: kernel/settings_functions
-- requires: kernel/protection

\set change kernel/settings_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.settings', 'tenancy.settings_definitions');

\ir ../../policies/settings.r1.sql

\ir ../../notes/done.psql
COMMIT;
