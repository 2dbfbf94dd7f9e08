-- Revert pg-tenancy:primary_keys from pg

-- Not one transaction, like the deploy. The change that comes next in the plan
-- may have failed halfway, and then nothing but this script takes it back.
SET statement_timeout = 0;

\ir ../adoption/expected.psql
\ir ../adoption/patiently.psql
\ir ../adoption/remove_foreign_key_indexes.psql
\ir ../adoption/remove_primary_keys.psql
