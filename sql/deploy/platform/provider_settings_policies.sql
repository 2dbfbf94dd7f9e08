-- Deploy pg-tenancy:platform/provider_settings_policies to pg
-- requires: platform/provider_settings_functions

\set change platform/provider_settings_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.provider_settings');

\ir ../../policies/provider_settings.r1.sql

\ir ../../notes/done.psql
COMMIT;
