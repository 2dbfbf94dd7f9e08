import { eq, sql } from "drizzle-orm";
import { pgTable, text, uuid } from "drizzle-orm/pg-core";
import { randomUUID } from "node:crypto";
import { Pool } from "pg";
import { connect, inWorkspace, projects, tasks, Transaction } from "./models";

const ownedProjects = pgTable("projects", {
    id: uuid().primaryKey().defaultRandom(),
    name: text().notNull(),
    workspaceId: uuid("workspace_id").notNull(),
});
const models = pgTable("models", {
    id: uuid().primaryKey().defaultRandom(),
    name: text().notNull(),
    modelId: text("model_id").notNull(),
    organizationId: uuid("organization_id").generatedAlwaysAs(sql`NULL`),
});
const instances = pgTable("instances", {
    id: uuid().primaryKey().defaultRandom(),
    providerId: uuid("provider_id").notNull(),
    modelId: uuid("model_id"),
    status: text().notNull(),
    organizationId: uuid("organization_id").generatedAlwaysAs(sql`NULL`),
});

export async function open({ dbname, ...rest }: any) {
    const pool = new Pool({ ...rest, database: dbname });
    const db = connect(pool);
    return {
        begin: (user: string, organization: string, work: any) => inWorkspace(db, user, organization, work),
        close: () => pool.end(),
    };
}

type Step = (tx: Transaction, ids: any) => Promise<unknown>;

export const steps: Record<string, Step> = {
    async create(tx, ids) {
        const [made] = await tx.insert(projects).values({ id: ids.chosen, name: "Website" }).returning();
        return [made.id === ids.chosen, made.status, made.createdAt instanceof Date];
    },
    async made(tx) {
        const [made] = await tx.insert(projects).values({ name: "Made" }).returning();
        return [made.id.length, made.status];
    },
    async bulk(tx) {
        await tx.insert(projects).values([{ name: "bulk" }, { name: "bulk" }, { name: "bulk" }, { name: "bulk" }]);
        return tx.$count(projects, eq(projects.name, "bulk"));
    },
    async change(tx, ids) {
        await tx.update(projects).set({ name: "Shop" }).where(eq(projects.id, ids.chosen));
        const [found] = await tx
            .update(projects).set({ status: "closed" }).where(eq(projects.id, ids.chosen)).returning();
        return [found.name, found.status];
    },
    async upsert(tx, ids) {
        await tx
            .insert(projects).values([{ id: ids.chosen, name: "Upserted" }, { id: randomUUID(), name: "Upserted" }])
            .onConflictDoUpdate({ target: projects.id, set: { name: sql`excluded.name` } });
        return tx.$count(projects, eq(projects.name, "Upserted"));
    },
    async children(tx) {
        const [project] = await tx.insert(projects).values({ name: "Parent" }).returning();
        await tx.insert(tasks).values([
            { title: "one", projectId: project.id }, { title: "two", projectId: project.id },
        ]);
        const count = await tx.$count(tasks, eq(tasks.projectId, project.id));
        await tx.delete(projects).where(eq(projects.id, project.id));
        return [count, await tx.$count(tasks, eq(tasks.projectId, project.id))];
    },
    async platform(tx, ids) {
        await tx.insert(models).values({ name: "Sales bot", modelId: `acme/${randomUUID()}` }).returning();
        const [instance] = await tx
            .insert(instances).values({ providerId: ids.provider, modelId: ids.model, status: "provisioning" }).returning();
        return [instance.organizationId === ids.organization, instance.status];
    },
    takenByOneself: (tx, ids) => tx.insert(projects).values({ id: ids.chosen, name: "mine" }),
    takenByAnother: (tx, ids) => tx.insert(projects).values({ id: ids.taken, name: "mine" }),
    saveOfAnothers: (tx, ids) => tx.insert(projects).values({ id: ids.taken, name: "mine" }).returning(),
    upsertOfAnothers: (tx, ids) =>
        tx.insert(projects).values({ id: ids.taken, name: "mine" })
            .onConflictDoUpdate({ target: projects.id, set: { name: "mine" } }),
    async ignoredOfAnothers(tx, ids) {
        const made = await tx.insert(projects).values({ id: ids.taken, name: "mine" }).onConflictDoNothing().returning();
        return made.length;
    },
    async changeOfAnothers(tx, ids) {
        const changed = await tx.update(projects).set({ name: "mine" }).where(eq(projects.id, ids.taken));
        const deleted = await tx.delete(projects).where(eq(projects.id, ids.taken));
        return [changed.rowCount, deleted.rowCount, await tx.$count(projects, eq(projects.id, ids.taken))];
    },
    async childOfAnothers(tx, ids) {
        await tx.insert(tasks).values({ title: "mine", projectId: ids.taken });
        await tx.execute(sql`SET CONSTRAINTS ALL IMMEDIATE`);
    },
    ownerNamed: (tx, ids) => tx.insert(ownedProjects).values({ name: "mine", workspaceId: ids.organization }),
    anotherOwnerNamed: (tx, ids) => tx.insert(ownedProjects).values({ name: "mine", workspaceId: ids.other }),
    moved: (tx, ids) =>
        tx.update(ownedProjects).set({ workspaceId: ids.other }).where(eq(ownedProjects.id, ids.chosen)),
};
