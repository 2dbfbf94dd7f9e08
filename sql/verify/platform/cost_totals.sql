-- Verify pg-tenancy:platform/cost_totals on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.require_range(timestamptz, timestamptz)',
    'tenancy_private.require_time_zone(text)',
    'tenancy_private.require_bucket(text, timestamptz, timestamptz)',
    'tenancy_private.require_dimension(text)',
    'tenancy_private.cost_spans()',
    'tenancy_private.require_span(text)',
    'tenancy_private.cost_sources(uuid, timestamptz, timestamptz)',
    'tenancy_private.cost_totals(uuid, timestamptz, timestamptz, text, text)',
    'tenancy_private.cost_labels(uuid, text, uuid[])',
    'tenancy_private.cost_parts(uuid, timestamptz, timestamptz, text)'
]);
CALL tenancy_private.verify_routines(ARRAY['tenancy_private.cost_rows()'], pinned => false);

ROLLBACK;
