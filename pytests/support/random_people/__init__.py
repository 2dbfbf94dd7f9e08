"""Random people do random things, and the database does what a model in Python says.

``model``     what ought to come of it, without a database
``beginning`` what there is at first
``deeds``     what somebody may try, and how numbers choose who and with what
``stage``     the database, and the questions that show all of it
``play``      the same done to both, and compared
``machine``   plays that Hypothesis chooses
``stories``   plays that are kept as text and done again
``holes``     rules that are taken away, each of which a kept story misses
``prove``     ``./dev prove``: looks for new stories, and plays for long
"""
