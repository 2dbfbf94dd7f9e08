import type { Knex } from "knex";

export function inWorkspace<T>(
    db: Knex, user: string, organization: string | null, work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T> {
    return db.transaction(async (trx) => {
        await trx.raw("SELECT tenancy.enter(?, ?)", [user, organization]);
        return work(trx);
    });
}

export const createProject = (trx: Knex.Transaction, name: string) =>
    trx("projects").insert({ name }).returning(["id", "status", "created_at"]);

export const upsertProjects = (trx: Knex.Transaction, rows: { id: string; name: string }[]) =>
    trx("projects").insert(rows).onConflict("id").merge(["name"]);
