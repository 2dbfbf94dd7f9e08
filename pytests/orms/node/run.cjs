// Runs the steps of one ORM, each in a transaction of its own, and prints what came of them as JSON.
//
//     node run.cjs typeorm '{"database": {...}, "user": "...", ...}'
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const ts = require("typescript");

const compilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    esModuleInterop: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    useDefineForClassFields: false,
};
require.extensions[".ts"] = (module, file) => {
    const text = fs.readFileSync(file, "utf8");
    module._compile(ts.transpileModule(text, { compilerOptions, fileName: file }).outputText, file);
};

// What the server said, wherever the ORM keeps it.
function said(error) {
    for (let each = error; each; each = each.cause ?? each.original ?? each.driverError ?? each.meta?.driverAdapterError) {
        const code = each.originalCode ?? each.code;
        if (/^[0-9A-Z]{5}$/.test(code ?? "") && !/^P\d{4}$/.test(code)) {
            // knex puts its statement before the message.
            const message = (each.originalMessage ?? each.message).split(" - ").pop();
            return { code, message, detail: each.detail ?? null };
        }
    }
    return { error: String(error?.stack ?? error) };
}

async function main([orm, given]) {
    const ids = JSON.parse(given);
    const { open, steps } = require(path.join(__dirname, orm, "steps.ts"));
    const application = await open(ids.database);
    const answers = {};
    for (const [name, step] of Object.entries(steps)) {
        try {
            answers[name] = await application.begin(ids.user, ids.organization, (tx) => step(tx, ids));
        } catch (error) {
            answers[name] = said(error);
        }
    }
    await application.close();
    process.stdout.write(JSON.stringify(answers));
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
