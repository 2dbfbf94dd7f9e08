-- Revert pg-tenancy:platform/cost_totals from pg

\set change platform/cost_totals
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy_private.cost_parts(uuid, timestamptz, timestamptz, text);
DROP FUNCTION tenancy_private.cost_labels(uuid, text, uuid[]);
DROP FUNCTION tenancy_private.cost_totals(uuid, timestamptz, timestamptz, text, text);
DROP FUNCTION tenancy_private.cost_sources(uuid, timestamptz, timestamptz);
DROP FUNCTION tenancy_private.cost_rows();
DROP FUNCTION tenancy_private.require_span(text);
DROP FUNCTION tenancy_private.cost_spans();
DROP FUNCTION tenancy_private.require_dimension(text);
DROP FUNCTION tenancy_private.require_bucket(text, timestamptz, timestamptz);
DROP FUNCTION tenancy_private.require_time_zone(text);
DROP FUNCTION tenancy_private.require_range(timestamptz, timestamptz);

\ir ../../notes/done.psql
COMMIT;
