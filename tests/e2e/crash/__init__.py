"""The crash test's parts: a load that is recorded, and judges of what a killed broker kept.

`values` is a model of the commands that the load uses, `history` and `messages` judge what was
recovered, `workloads` make the load, `run` puts them together. `test_judges.py` tests the judges.
"""
