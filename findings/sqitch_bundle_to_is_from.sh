#!/usr/bin/env bash
# sqitch 1.3.1 (Debian's package).
#
# `sqitch bundle --to @v1` is to bundle the changes up to the tag. It bundles those from
# the tag to the end of the plan, says so, and ends with 0: what was to stay at home is in
# the bundle, and a deploy from it goes there, or stops for changes that are missing. With
# --from and --to both named it bundles what they say.
#
# Seen: "--to @v1: first second third; --to @v2: second third; --from @v1 --to @v2: first second".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v sqitch >/dev/null || apt-get install -y sqitch libdbd-pg-perl postgresql-client >/dev/null
sqitch --version

mkdir "$work/project" "$work/home"
export HOME=$work/home
cd "$work/project"
sqitch init things --engine pg >/dev/null
sqitch config --user user.name Somebody
sqitch config --user user.email somebody@example.com
tag=0
for change in first second third; do
    sqitch add "$change" -n "A change." >/dev/null
    sqitch tag "v$((tag += 1))" -n "A version." >/dev/null
done

bundled() { # the changes in the plan of the bundle
    rm -rf "$work/bundle"
    sqitch bundle --dest-dir "$work/bundle" "$@" >/dev/null
    sed -n 's/^\([a-z]*\) .*/\1/p' "$work/bundle/sqitch.plan" | paste -s -d " "
}
as_before "--to @v1: $(bundled --to @v1); --to @v2: $(bundled --to @v2); --from @v1 --to @v2: $(bundled --from @v1 --to @v2)" \
    "--to @v1: first second third; --to @v2: second third; --from @v1 --to @v2: first second"
