-- Deploy pg-tenancy:platform/instances_policies to pg
-- requires: platform/instances_functions
-- requires: kernel/audit_log

\set change platform/instances_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.instances', 'tenancy.instance_transitions');

\ir ../../policies/instances.r1.sql

CALL tenancy_private.tell_closed_columns('public.instances');
CALL tenancy_private.tell_unprotected();

\ir ../../notes/done.psql
COMMIT;
