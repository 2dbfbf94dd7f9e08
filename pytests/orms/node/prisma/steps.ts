import { PrismaPg } from "@prisma/adapter-pg";
import { Prisma, PrismaClient } from "@prisma/client";
import { randomUUID } from "node:crypto";
import { inWorkspace } from "./models";

export async function open({ dbname, ...rest }: any) {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ ...rest, database: dbname }) });
    return {
        begin: (user: string, organization: string, work: any) => inWorkspace(prisma, user, organization, work),
        close: () => prisma.$disconnect(),
    };
}

type Step = (tx: Prisma.TransactionClient, ids: any) => Promise<unknown>;

export const steps: Record<string, Step> = {
    async create(tx, ids) {
        const made = await tx.project.create({ data: { id: ids.chosen, name: "Website" } });
        return [made.id === ids.chosen, made.status, made.createdAt instanceof Date];
    },
    async made(tx) {
        const made = await tx.project.create({ data: { name: "Made" } });
        return [made.id.length, made.status];
    },
    async bulk(tx) {
        await tx.project.createMany({ data: [{ name: "bulk" }, { name: "bulk" }] });
        await tx.project.createManyAndReturn({ data: [{ name: "bulk" }, { name: "bulk" }] });
        return tx.project.count({ where: { name: "bulk" } });
    },
    async change(tx, ids) {
        await tx.project.update({ where: { id: ids.chosen }, data: { name: "Shop" } });
        await tx.project.updateMany({ where: { id: ids.chosen }, data: { status: "closed" } });
        const found = await tx.project.findUniqueOrThrow({ where: { id: ids.chosen } });
        return [found.name, found.status];
    },
    async upsert(tx, ids) {
        for (const id of [ids.chosen, randomUUID()]) {
            await tx.project.upsert({ where: { id }, create: { id, name: "Upserted" }, update: { name: "Upserted" } });
        }
        return tx.project.count({ where: { name: "Upserted" } });
    },
    async children(tx) {
        const project = await tx.project.create({
            data: { name: "Parent", tasks: { create: [{ title: "one" }, { title: "two" }] } }, include: { tasks: true },
        });
        await tx.project.delete({ where: { id: project.id } });
        return [project.tasks.length, await tx.task.count({ where: { projectId: project.id } })];
    },
    async platform(tx, ids) {
        await tx.model.create({ data: { name: "Sales bot", modelId: `acme/${randomUUID()}` } });
        const instance = await tx.instance.create({
            data: { providerId: ids.provider, modelId: ids.model, status: "provisioning" },
        });
        return [instance.organizationId === ids.organization, instance.status];
    },
    takenByOneself: (tx, ids) => tx.project.create({ data: { id: ids.chosen, name: "mine" } }),
    takenByAnother: (tx, ids) => tx.project.create({ data: { id: ids.taken, name: "mine" } }),
    saveOfAnothers: (tx, ids) => tx.project.create({ data: { id: ids.taken, name: "mine" }, select: { id: true } }),
    upsertOfAnothers: (tx, ids) =>
        tx.project.upsert({ where: { id: ids.taken }, create: { id: ids.taken, name: "mine" }, update: { name: "mine" } }),
    async ignoredOfAnothers(tx, ids) {
        return (await tx.project.createMany({ data: [{ id: ids.taken, name: "mine" }], skipDuplicates: true })).count;
    },
    async changeOfAnothers(tx, ids) {
        const changed = await tx.project.updateMany({ where: { id: ids.taken }, data: { name: "mine" } });
        const deleted = await tx.project.deleteMany({ where: { id: ids.taken } });
        return [changed.count, deleted.count, await tx.project.count({ where: { id: ids.taken } })];
    },
    async childOfAnothers(tx, ids) {
        await tx.task.create({ data: { title: "mine", projectId: ids.taken } });
        await tx.$executeRaw`SET CONSTRAINTS ALL IMMEDIATE`;
    },
    ownerNamed: (tx, ids) =>
        tx.model.create({ data: { name: "mine", modelId: randomUUID(), organizationId: ids.organization } }),
    anotherOwnerNamed: (tx, ids) =>
        tx.model.create({ data: { name: "mine", modelId: randomUUID(), organizationId: ids.other } }),
    moved: (tx, ids) => tx.model.updateMany({ data: { organizationId: ids.other } }),
};
