-- Revert pg-tenancy:kernel/activation from pg

\set change kernel/activation
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

DROP PROCEDURE tenancy_private.verify_activatable(regclass, text);
DROP PROCEDURE tenancy_private.release_activatable(text, regclass);
DROP PROCEDURE tenancy_private.drop_triggers_of(regclass, text);
DROP PROCEDURE tenancy_private.make_activatable(text, regclass, text, text);
DROP PROCEDURE tenancy_private.add_activations(text, regclass, text, text);
DROP PROCEDURE tenancy_private.show_activations(regclass, boolean);
DROP PROCEDURE tenancy_private.check_activatable(regclass);
DROP FUNCTION tenancy_private.audit_activation();
DROP FUNCTION tenancy_private.keep_activation();
DROP FUNCTION tenancy_private.refuse_activation_write();
DROP FUNCTION tenancy.deactivate(text, uuid, text);
DROP FUNCTION tenancy.activate(text, uuid, text);
DROP FUNCTION tenancy_private.set_activation(text, uuid, text, boolean);
DROP FUNCTION tenancy_private.record_activation(text, uuid, uuid, text, jsonb, jsonb);
DROP FUNCTION tenancy.require_operational(text, uuid);
DROP FUNCTION tenancy_private.refuse_use(tenancy_private.activatable, uuid, text[]);
DROP FUNCTION tenancy_private.activation_of(tenancy_private.activatable, uuid);
DROP FUNCTION tenancy_private.is_organization(uuid);
DROP FUNCTION tenancy_private.refuse_object(text);
DROP FUNCTION tenancy_private.activatable_of(text);
CALL tenancy_private.forget_contract('tenancy_private.pending_deactivations');
DROP TABLE tenancy_private.pending_deactivations;
CALL tenancy_private.forget_contract('tenancy_private.activatable');
DROP TABLE tenancy_private.activatable;

\ir ../../notes/done.psql
COMMIT;
