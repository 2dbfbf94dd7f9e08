// Projects from Node, with node-postgres (pg), which reads PGHOST, PGDATABASE, PGUSER and so on.
//
//     node app.js USER ORGANIZATION

const { Pool } = require("pg");

// A transaction in a workspace: the organization's, or the personal one for null.
async function inWorkspace(pool, user, organization, work, isolation = "READ COMMITTED") {
    const client = await pool.connect();
    let broken;
    try {
        await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
        await client.query("SELECT tenancy.enter($1, $2)", [user, organization]);
        const result = await work(client);
        await client.query("COMMIT");
        return result;
    } catch (error) {
        await client.query("ROLLBACK").catch((lost) => (broken = lost));
        throw error;
    } finally {
        // A connection that could not be rolled back must not return to the pool.
        client.release(broken);
    }
}

// Repeats the whole transaction after a conflict, so that everything is read again.
async function retrying(attempts, transaction) {
    for (let attempt = 1; ; attempt += 1) {
        try {
            return await transaction(attempt);
        } catch (error) {
            if (attempt === attempts || !["40001", "40P01"].includes(error.code)) throw error;
            await new Promise((resolve) => setTimeout(resolve, Math.random() * 40 * 2 ** attempt));
        }
    }
}

// An error of pg-tenancy has its name in error.constraint, and in error.hint what to do.
const STATUSES = { no_context: 500, not_a_member: 403, permission_denied: 403 };

async function refused(promise) {
    try {
        await promise;
    } catch (error) {
        if (!(error.constraint in STATUSES)) throw error;
        console.log(`${error.constraint} (${error.code}), status ${STATUSES[error.constraint]}`);
    }
}

async function main(user, organization) {
    const pool = new Pool();
    const count = async (client) => (await client.query("SELECT count(*) FROM projects")).rows[0].count;
    const rename = (name) => (client) => client.query("UPDATE projects SET name = $1", [name]);

    await inWorkspace(pool, user, organization, (client) =>
        client.query("INSERT INTO projects (name) VALUES ($1)", ["Website"]),
    );
    console.log(`${await inWorkspace(pool, user, organization, count)} in the organization`);
    console.log(`${await inWorkspace(pool, user, null, count)} in the personal workspace`);

    await refused(pool.query("SELECT count(*) FROM projects"));
    await refused(inWorkspace(pool, user, "00000000-0000-0000-0000-000000000001", count));

    const attempts = await retrying(3, (attempt) =>
        inWorkspace(
            pool,
            user,
            organization,
            async (client) => {
                await count(client);
                // The first time, another transaction is faster.
                if (attempt === 1) await inWorkspace(pool, user, organization, rename("Shop"));
                await rename("Store")(client);
                return attempt;
            },
            "REPEATABLE READ",
        ),
    );
    console.log(`renamed after ${attempts} attempts`);
    await pool.end();
}

main(...process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
