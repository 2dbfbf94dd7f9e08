import knex, { type Knex } from "knex";
import { randomUUID } from "node:crypto";
import { createProject, inWorkspace, upsertProjects } from "./models";

export async function open({ dbname, ...rest }: any) {
    const db = knex({ client: "pg", connection: { ...rest, database: dbname } });
    return {
        begin: (user: string, organization: string, work: any) => inWorkspace(db, user, organization, work),
        close: () => db.destroy(),
    };
}

type Step = (trx: Knex.Transaction, ids: any) => Promise<unknown>;

const count = async (trx: Knex.Transaction, table: string, where: object) =>
    Number((await trx(table).where(where).count("id"))[0].count);

export const steps: Record<string, Step> = {
    async create(trx, ids) {
        await trx("projects").insert({ id: ids.chosen, name: "Website" });
        const made = await trx("projects").select("id", "status", "created_at").where({ id: ids.chosen }).first();
        return [made.id === ids.chosen, made.status, made.created_at instanceof Date];
    },
    async made(trx) {
        const [made] = await createProject(trx, "Made");
        return [made.id.length, made.status];
    },
    async bulk(trx) {
        await trx("projects").insert([{ name: "bulk" }, { id: randomUUID(), name: "bulk" }]);
        await trx.batchInsert("projects", [{ name: "bulk" }, { name: "bulk" }], 1);
        return count(trx, "projects", { name: "bulk" });
    },
    async change(trx, ids) {
        await trx("projects").where({ id: ids.chosen }).update({ name: "Shop", status: "closed" });
        const found = await trx("projects").select("name", "status").where({ id: ids.chosen }).forUpdate().first();
        return [found.name, found.status];
    },
    async upsert(trx, ids) {
        await upsertProjects(trx, [{ id: ids.chosen, name: "Upserted" }, { id: randomUUID(), name: "Upserted" }]);
        return count(trx, "projects", { name: "Upserted" });
    },
    async children(trx) {
        const [{ id }] = await createProject(trx, "Parent");
        await trx("tasks").insert([{ title: "one", project_id: id }, { title: "two", project_id: id }]);
        const before = await count(trx, "tasks", { project_id: id });
        await trx("projects").where({ id }).delete();
        return [before, await count(trx, "tasks", { project_id: id })];
    },
    async platform(trx, ids) {
        await trx("models").insert({ name: "Sales bot", model_id: `acme/${randomUUID()}` }).returning("id");
        const [instance] = await trx("instances")
            .insert({ provider_id: ids.provider, model_id: ids.model, status: "provisioning" })
            .returning(["organization_id", "status"]);
        return [instance.organization_id === ids.organization, instance.status];
    },
    takenByOneself: (trx, ids) => trx("projects").insert({ id: ids.chosen, name: "mine" }),
    takenByAnother: (trx, ids) => trx("projects").insert({ id: ids.taken, name: "mine" }),
    saveOfAnothers: (trx, ids) => trx("projects").insert({ id: ids.taken, name: "mine" }).returning("id"),
    upsertOfAnothers: (trx, ids) => upsertProjects(trx, [{ id: ids.taken, name: "mine" }]),
    // It writes every column that it inserts, the key among them.
    upsertOfEverything: (trx, ids) => trx("projects").insert({ id: ids.chosen, name: "Upserted" }).onConflict("id").merge(),
    async ignoredOfAnothers(trx, ids) {
        const made = await trx("projects").insert({ id: ids.taken, name: "mine" }).onConflict().ignore().returning("id");
        return made.length;
    },
    async changeOfAnothers(trx, ids) {
        const changed = await trx("projects").where({ id: ids.taken }).update({ name: "mine" });
        const deleted = await trx("projects").where({ id: ids.taken }).delete();
        return [changed, deleted, await count(trx, "projects", { id: ids.taken })];
    },
    async childOfAnothers(trx, ids) {
        await trx("tasks").insert({ title: "mine", project_id: ids.taken });
        await trx.raw("SET CONSTRAINTS ALL IMMEDIATE");
    },
    ownerNamed: (trx, ids) => trx("projects").insert({ name: "mine", workspace_id: ids.organization }),
    anotherOwnerNamed: (trx, ids) => trx("projects").insert({ name: "mine", workspace_id: ids.other }),
    moved: (trx, ids) => trx("projects").where({ id: ids.chosen }).update({ workspace_id: ids.other }),
};
