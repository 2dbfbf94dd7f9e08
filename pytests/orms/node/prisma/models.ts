import { Prisma, PrismaClient } from "@prisma/client";

export function inWorkspace<T>(
    prisma: PrismaClient, user: string, organization: string | null, work: (tx: Prisma.TransactionClient) => Promise<T>,
): Promise<T> {
    return prisma.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT tenancy.enter(${user}::uuid, ${organization}::uuid)`;
        return work(tx);
    });
}
