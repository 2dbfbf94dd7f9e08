# Projects from Ruby, with pg, which reads PGHOST, PGDATABASE, PGUSER and so on.
#
#     ruby app.rb USER ORGANIZATION

require "pg"

# A transaction in a workspace: the organization's, or the personal one for nil.
def in_workspace(connection, user, organization, isolation: "READ COMMITTED")
  connection.transaction do
    connection.exec("SET TRANSACTION ISOLATION LEVEL #{isolation}")
    connection.exec_params("SELECT tenancy.enter($1, $2)", [user, organization])
    yield connection
  end
end

# Repeats the whole transaction after a conflict, so that everything is read again.
def retrying(attempts)
  attempt = 1
  begin
    yield attempt
  rescue PG::TRSerializationFailure, PG::TRDeadlockDetected
    raise if attempt == attempts

    sleep(rand * 0.04 * 2**attempt)
    attempt += 1
    retry
  end
end

# An error of pg-tenancy has its name in the field CONSTRAINT_NAME, and in MESSAGE_HINT what to do.
STATUSES = { "no_context" => 500, "not_a_member" => 403, "permission_denied" => 403 }.freeze

def refused
  yield
rescue PG::Error => e
  name = e.result&.error_field(PG::Result::PG_DIAG_CONSTRAINT_NAME)
  raise unless STATUSES.key?(name)

  puts "#{name} (#{e.result.error_field(PG::Result::PG_DIAG_SQLSTATE)}), status #{STATUSES[name]}"
end

def count(connection)
  connection.exec("SELECT count(*) FROM projects").getvalue(0, 0)
end

def rename(connection, name)
  connection.exec_params("UPDATE projects SET name = $1", [name])
end

user, organization = ARGV
connection, other = PG.connect, PG.connect

in_workspace(connection, user, organization) do |c|
  c.exec_params("INSERT INTO projects (name) VALUES ($1)", ["Website"])
end
puts "#{in_workspace(connection, user, organization) { |c| count(c) }} in the organization"
puts "#{in_workspace(connection, user, nil) { |c| count(c) }} in the personal workspace"

refused { count(connection) }
refused { in_workspace(connection, user, "00000000-0000-0000-0000-000000000001") { |c| count(c) } }

attempts = retrying(3) do |attempt|
  in_workspace(connection, user, organization, isolation: "REPEATABLE READ") do |c|
    count(c)
    # The first time, another transaction is faster.
    in_workspace(other, user, organization) { |c2| rename(c2, "Shop") } if attempt == 1
    rename(c, "Store")
    attempt
  end
end
puts "renamed after #{attempts} attempts"
