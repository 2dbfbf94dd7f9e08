import { DataTypes, Sequelize, Transaction } from "sequelize";
import { randomUUID } from "node:crypto";
import { define, inWorkspace } from "./models";

let sequelize: Sequelize;
let Project: any, Task: any, OwnedProject: any, Model: any, Instance: any;

export async function open(database: any) {
    sequelize = new Sequelize(database.dbname, database.user, database.password, {
        dialect: "postgres", host: database.host, port: Number(database.port), logging: false,
    });
    ({ Project, Task } = define(sequelize));
    const id = { type: DataTypes.UUID, primaryKey: true, defaultValue: DataTypes.UUIDV4 };
    OwnedProject = sequelize.define("OwnedProject", {
        id, name: DataTypes.TEXT, workspaceId: { type: DataTypes.UUID, field: "workspace_id" },
    }, { tableName: "projects", timestamps: false });
    Model = sequelize.define("Model", {
        id, name: DataTypes.TEXT, model_id: DataTypes.TEXT, organization_id: DataTypes.UUID,
    }, { tableName: "models", timestamps: false });
    Instance = sequelize.define("Instance", {
        id, provider_id: DataTypes.UUID, model_id: DataTypes.UUID, status: DataTypes.TEXT, organization_id: DataTypes.UUID,
    }, { tableName: "instances", timestamps: false });
    return {
        begin: (user: string, organization: string, work: any) => inWorkspace(sequelize, user, organization, work),
        close: () => sequelize.close(),
    };
}

type Step = (transaction: Transaction, ids: any) => Promise<unknown>;

export const steps: Record<string, Step> = {
    async create(transaction, ids) {
        const made = await Project.create({ id: ids.chosen, name: "Website" }, { transaction });
        return [made.id === ids.chosen, made.status, made.createdAt instanceof Date];
    },
    async made(transaction) {
        const made = await Project.create({ name: "Made" }, { transaction });
        return [made.id.length, made.status];
    },
    async bulk(transaction) {
        await Project.bulkCreate([{ name: "bulk" }, { name: "bulk" }, { name: "bulk" }, { name: "bulk" }], { transaction });
        return Project.count({ where: { name: "bulk" }, transaction });
    },
    async change(transaction, ids) {
        const found = await Project.findByPk(ids.chosen, { transaction, lock: true });
        found.name = "Shop";
        await found.save({ transaction });
        await Project.update({ status: "closed" }, { where: { id: ids.chosen }, transaction });
        await found.reload({ transaction });
        return [found.name, found.status];
    },
    async upsert(transaction, ids) {
        await Project.bulkCreate(
            [{ id: ids.chosen, name: "Upserted" }, { id: randomUUID(), name: "Upserted" }],
            { updateOnDuplicate: ["name"], transaction },
        );
        return Project.count({ where: { name: "Upserted" }, transaction });
    },
    async children(transaction) {
        const project = await Project.create({ name: "Parent" }, { transaction });
        await project.createTask({ title: "one" }, { transaction });
        await Task.create({ title: "two", project_id: project.id }, { transaction });
        const before = await Task.count({ where: { project_id: project.id }, transaction });
        await project.destroy({ transaction });
        return [before, await Task.count({ where: { project_id: project.id }, transaction })];
    },
    async platform(transaction, ids) {
        await Model.create({ name: "Sales bot", model_id: `acme/${randomUUID()}` }, { transaction });
        const instance = await Instance.create(
            { provider_id: ids.provider, model_id: ids.model, status: "provisioning" }, { transaction },
        );
        return [instance.organization_id === ids.organization, instance.status];
    },
    takenByOneself: (transaction, ids) => Project.create({ id: ids.chosen, name: "mine" }, { transaction }),
    takenByAnother: (transaction, ids) => Project.create({ id: ids.taken, name: "mine" }, { transaction }),
    saveOfAnothers: (transaction, ids) => Project.build({ id: ids.taken, name: "mine" }).save({ transaction }),
    upsertOfAnothers: (transaction, ids) =>
        Project.bulkCreate([{ id: ids.taken, name: "mine" }], { updateOnDuplicate: ["name"], transaction }),
    // It writes every column that it inserts, the key among them.
    upsertOfEverything: (transaction, ids) => Project.upsert({ id: ids.chosen, name: "Upserted" }, { transaction }),
    async ignoredOfAnothers(transaction, ids) {
        await Project.bulkCreate([{ id: ids.taken, name: "mine" }], { ignoreDuplicates: true, transaction });
        return Project.count({ where: { id: ids.taken }, transaction });
    },
    async changeOfAnothers(transaction, ids) {
        const [changed] = await Project.update({ name: "mine" }, { where: { id: ids.taken }, transaction });
        const deleted = await Project.destroy({ where: { id: ids.taken }, transaction });
        return [changed, deleted, await Project.count({ where: { id: ids.taken }, transaction })];
    },
    async childOfAnothers(transaction, ids) {
        await Task.create({ title: "mine", project_id: ids.taken }, { transaction });
        await sequelize.query("SET CONSTRAINTS ALL IMMEDIATE", { transaction });
    },
    ownerNamed: (transaction, ids) =>
        OwnedProject.create({ name: "mine", workspaceId: ids.organization }, { transaction }),
    anotherOwnerNamed: (transaction, ids) =>
        OwnedProject.create({ name: "mine", workspaceId: ids.other }, { transaction }),
    moved: (transaction, ids) =>
        OwnedProject.update({ workspaceId: ids.other }, { where: { id: ids.chosen }, transaction }),
};
