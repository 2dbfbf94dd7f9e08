-- Deploy pg-tenancy:platform/models_policies to pg
-- requires: platform/instances_models
-- requires: kernel/audit_log

\set change platform/models_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.models');

\ir ../../policies/models.r1.sql

CALL tenancy_private.tell_closed_columns('public.models');
CALL tenancy_private.tell_unprotected();

\ir ../../notes/done.psql
COMMIT;
