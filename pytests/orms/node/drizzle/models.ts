import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { Pool } from "pg";

export const projects = pgTable("projects", {
    id: uuid().primaryKey().defaultRandom(),
    name: text().notNull(),
    status: text().notNull().default("open"),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull().generatedAlwaysAs(sql`now()`),
});

export const tasks = pgTable("tasks", {
    id: uuid().primaryKey().defaultRandom(),
    projectId: uuid("project_id").references(() => projects.id, { onDelete: "cascade" }),
    title: text().notNull(),
});

export const connect = (pool: Pool) => drizzle({ client: pool });
export type Database = ReturnType<typeof connect>;
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

export function inWorkspace<T>(
    db: Database, user: string, organization: string | null, work: (tx: Transaction) => Promise<T>,
): Promise<T> {
    return db.transaction(async (tx) => {
        await tx.execute(sql`SELECT tenancy.enter(${user}, ${organization})`);
        return work(tx);
    });
}
