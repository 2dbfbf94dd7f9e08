-- Revert pg-tenancy:organizations_slug from pg

-- No transaction around it: a plain DROP INDEX would wait for every reader.
DROP INDEX CONCURRENTLY IF EXISTS public.organizations_slug_lower_key;
