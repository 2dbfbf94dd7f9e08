-- Deploy pg-tenancy:kernel/modules_policies to pg
-- requires: kernel/modules
-- requires: kernel/protection

\set change kernel/modules_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.modules');

\ir ../../policies/modules.r1.sql

\ir ../../notes/done.psql
COMMIT;
