"""The basis of the tests: a server, databases, logins and people."""
