-- Revert pg-tenancy:foreign_keys from pg

-- Not one transaction, like the deploy: each key takes its locks for an
-- instant. It can be run again when it was stopped.
SET statement_timeout = 0;

\ir ../adoption/expected.psql
\ir ../adoption/patiently.psql
\ir ../adoption/remove_foreign_keys.psql
