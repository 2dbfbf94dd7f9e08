"""What the tests stand on: a server, databases, logins, people."""
