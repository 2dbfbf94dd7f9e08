-- Deploy pg-tenancy:platform/offerings_policies to pg
-- requires: platform/offering_usage
-- requires: kernel/protection
-- requires: kernel/legacy_logins

\set change platform/offerings_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

-- The application before its migration keeps its access.
CALL tenancy_private.keep_legacy_logins(
    ARRAY['public.organization_models', 'public.organization_model_shares']::regclass[]
);
CALL tenancy_private.revise(
    'public.organization_models', 'public.organization_model_shares', 'tenancy.offering_prices',
    'tenancy.access_requests', 'tenancy.entitlements', 'tenancy.catalog_preferences',
    'tenancy.usage_authorizations', 'tenancy.offering_usage'
);

\ir ../../policies/offerings.r1.sql

\ir ../../notes/done.psql
COMMIT;
