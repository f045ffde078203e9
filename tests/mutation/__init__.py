"""Mutation testing of what decides: `python -m tests.mutation [files]`; see docs/mutation.md.

Except for the tests of the tool itself no part of a normal run: it changes one thing in a module,
in memory and in a process of its own, runs the tests that speak of that module, and expects one of
them to fail.
"""
