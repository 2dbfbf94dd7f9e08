import "reflect-metadata";
import {
    Column, CreateDateColumn, DataSource, Entity, EntityManager, JoinColumn, ManyToOne, OneToMany, PrimaryGeneratedColumn,
} from "typeorm";

@Entity("projects")
export class Project {
    @PrimaryGeneratedColumn("uuid")
    id: string;

    @Column("text")
    name: string;

    @Column("text", { default: "open" })
    status: string;

    @CreateDateColumn({ name: "created_at", type: "timestamptz", insert: false, update: false })
    createdAt: Date;

    @OneToMany(() => Task, (task) => task.project)
    tasks: Task[];
}

@Entity("tasks")
export class Task {
    @PrimaryGeneratedColumn("uuid")
    id: string;

    @Column("text")
    title: string;

    @ManyToOne(() => Project, (project) => project.tasks)
    @JoinColumn({ name: "project_id" })
    project: Project;
}

export function inWorkspace<T>(
    source: DataSource, user: string, organization: string | null, work: (manager: EntityManager) => Promise<T>,
): Promise<T> {
    return source.transaction(async (manager) => {
        await manager.query("SELECT tenancy.enter($1, $2)", [user, organization]);
        return work(manager);
    });
}
