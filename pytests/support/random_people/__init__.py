"""Random people do random things, and the database must behave like a model in Python.

``model``     the expected results, without a database
``beginning`` the state at the beginning
``deeds``     attempts, and how numbers choose their actors and arguments
``stage``     the database, and queries that show all of it
``play``      the same actions on both, and compared results
``machine``   plays that Hypothesis chooses
``stories``   plays that are kept as text and repeated
``holes``     removed rules, each found by a kept story
``prove``     ``./dev prove``: searches for new stories, and plays for long
"""
