"""``./dev bench``: every number that the README gives comes from here."""

from bench.policies import main

main()
