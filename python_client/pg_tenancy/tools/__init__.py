"""What a DBA runs: the command line, sqitch, a server of one's own, the demonstration.

An application that works in workspaces needs none of it.
"""
