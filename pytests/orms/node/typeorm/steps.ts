import { Column, DataSource, Entity, EntityManager, PrimaryGeneratedColumn } from "typeorm";
import { randomUUID } from "node:crypto";
import { inWorkspace, Project, Task } from "./models";

@Entity("projects", { synchronize: false })
class OwnedProject {
    @PrimaryGeneratedColumn("uuid")
    id: string;

    @Column("text")
    name: string;

    @Column("uuid", { name: "workspace_id" })
    workspaceId: string;
}

@Entity("models")
class Model {
    @PrimaryGeneratedColumn("uuid")
    id: string;

    @Column("text")
    name: string;

    @Column("text", { name: "model_id" })
    modelId: string;

    @Column("uuid", { name: "organization_id", insert: false, update: false })
    organizationId: string;
}

@Entity("instances")
class Instance {
    @PrimaryGeneratedColumn("uuid")
    id: string;

    @Column("uuid", { name: "provider_id" })
    providerId: string;

    @Column("uuid", { name: "model_id" })
    modelId: string;

    @Column("text")
    status: string;

    @Column("uuid", { name: "organization_id", insert: false, update: false })
    organizationId: string;
}

export async function open(database: any) {
    const source = await new DataSource({
        type: "postgres",
        host: database.host,
        port: Number(database.port),
        username: database.user,
        password: database.password,
        database: database.dbname,
        entities: [Project, Task, OwnedProject, Model, Instance],
        installExtensions: false,
    }).initialize();
    return {
        begin: (user: string, organization: string, work: any) => inWorkspace(source, user, organization, work),
        close: () => source.destroy(),
    };
}

type Step = (manager: EntityManager, ids: any) => Promise<unknown>;

export const steps: Record<string, Step> = {
    async create(manager, ids) {
        const made = await manager.save(Project, { id: ids.chosen, name: "Website" });
        const found = await manager.findOneByOrFail(Project, { id: ids.chosen });
        return [made.id === ids.chosen, found.status, found.createdAt instanceof Date];
    },
    async made(manager) {
        const made = await manager.save(manager.create(Project, { name: "Made" }));
        return [made.id.length, made.status];
    },
    async bulk(manager) {
        await manager.save(Project, [{ name: "bulk" }, { name: "bulk" }]);
        await manager.insert(Project, [{ name: "bulk" }, { id: randomUUID(), name: "bulk" }]);
        return manager.countBy(Project, { name: "bulk" });
    },
    async change(manager, ids) {
        const found = await manager.findOneByOrFail(Project, { id: ids.chosen });
        found.name = "Shop";
        await manager.save(found);
        await manager.update(Project, { id: ids.chosen }, { status: "closed" });
        const again = await manager.findOneByOrFail(Project, { id: ids.chosen });
        return [again.name, again.status];
    },
    async upsert(manager, ids) {
        await manager
            .createQueryBuilder().insert().into(Project)
            .values([{ id: ids.chosen, name: "Upserted" }, { id: randomUUID(), name: "Upserted" }])
            .orUpdate(["name"], ["id"])
            .execute();
        return manager.countBy(Project, { name: "Upserted" });
    },
    async children(manager) {
        const project = await manager.save(Project, { name: "Parent" });
        await manager.save(Task, [{ title: "one", project }, { title: "two", project }]);
        const count = await manager.countBy(Task, { project: { id: project.id } });
        await manager.remove(Project, { ...project });
        return [count, await manager.countBy(Task, { project: { id: project.id } })];
    },
    async platform(manager, ids) {
        await manager.save(Model, { name: "Sales bot", modelId: `acme/${randomUUID()}` });
        const made = await manager.save(Instance, { providerId: ids.provider, modelId: ids.model, status: "provisioning" });
        const instance = await manager.findOneByOrFail(Instance, { id: made.id });
        return [instance.organizationId === ids.organization, instance.status];
    },
    async takenByOneself(manager, ids) {
        return manager.insert(Project, { id: ids.chosen, name: "mine" });
    },
    async takenByAnother(manager, ids) {
        return manager.insert(Project, { id: ids.taken, name: "mine" });
    },
    async saveOfAnothers(manager, ids) {
        return manager.save(Project, { id: ids.taken, name: "mine" });
    },
    async upsertOfAnothers(manager, ids) {
        return manager
            .createQueryBuilder().insert().into(Project).values({ id: ids.taken, name: "mine" })
            .orUpdate(["name"], ["id"])
            .execute();
    },
    // It writes every column that it inserts, the key among them.
    async upsertOfEverything(manager, ids) {
        return manager.upsert(Project, { id: ids.chosen, name: "Upserted" }, ["id"]);
    },
    async ignoredOfAnothers(manager, ids) {
        const made = await manager
            .createQueryBuilder().insert().into(Project).values({ id: ids.taken, name: "mine" }).orIgnore()
            .execute();
        return made.raw.length;
    },
    async changeOfAnothers(manager, ids) {
        const changed = await manager.update(Project, { id: ids.taken }, { name: "mine" });
        const deleted = await manager.delete(Project, { id: ids.taken });
        return [changed.affected, deleted.affected, await manager.countBy(Project, { id: ids.taken })];
    },
    async childOfAnothers(manager, ids) {
        await manager.save(Task, { title: "mine", project: { id: ids.taken } as Project });
        await manager.query("SET CONSTRAINTS ALL IMMEDIATE");
    },
    async ownerNamed(manager, ids) {
        return manager.insert(OwnedProject, { name: "mine", workspaceId: ids.organization });
    },
    async anotherOwnerNamed(manager, ids) {
        return manager.insert(OwnedProject, { name: "mine", workspaceId: ids.other });
    },
    async moved(manager, ids) {
        return manager.update(OwnedProject, { id: ids.chosen }, { workspaceId: ids.other });
    },
};
