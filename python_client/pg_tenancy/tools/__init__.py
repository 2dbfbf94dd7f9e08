"""The tools of a DBA: the command line, sqitch, a private server, the demonstration.

An application that only works in workspaces does not need them.
"""
