"""Tools for DBAs: the command line, sqitch, a private server, the demonstration.

Applications do not need them.
"""
