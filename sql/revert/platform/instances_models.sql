-- Revert pg-tenancy:platform/instances_models from pg

\ir ../../adoption/patiently.psql
\ir ../../adoption/remove_instances_models.psql
