"""Fault injection: many conversations at once while everything around them breaks.

    python -m tests.chaos --conversations 1000 --seed 1     (`make chaos`)

plan.py decides from a seed what is said, asked and poisoned; drive.py does it over the real entry
points, everything two or three times and out of order; faults.py kills processes, restarts the
database and lets Claude and Twilio fail; checks.py says what must hold when all is quiet again,
over the rows that evidence.py reads.
"""
