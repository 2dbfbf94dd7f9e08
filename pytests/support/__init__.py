"""Helpers of the tests: a server, databases, logins and people."""
