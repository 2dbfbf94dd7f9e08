import { DataTypes, Model, Sequelize, Transaction } from "sequelize";

export function define(sequelize: Sequelize) {
    const Project = sequelize.define("Project", {
        id: { type: DataTypes.UUID, primaryKey: true, defaultValue: DataTypes.UUIDV4 },
        name: { type: DataTypes.TEXT, allowNull: false },
        status: { type: DataTypes.TEXT },
        createdAt: { type: DataTypes.DATE, field: "created_at" },
    }, { tableName: "projects", timestamps: false });
    const Task = sequelize.define("Task", {
        id: { type: DataTypes.UUID, primaryKey: true, defaultValue: DataTypes.UUIDV4 },
        title: { type: DataTypes.TEXT, allowNull: false },
    }, { tableName: "tasks", timestamps: false });
    Project.hasMany(Task, { foreignKey: "project_id", as: "tasks" });
    Task.belongsTo(Project, { foreignKey: "project_id", as: "project" });
    return { Project, Task };
}

export function inWorkspace<T>(
    sequelize: Sequelize, user: string, organization: string | null, work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
    return sequelize.transaction(async (transaction) => {
        await sequelize.query("SELECT tenancy.enter($1, $2)", { bind: [user, organization], transaction });
        return work(transaction);
    });
}
