"""The tasks: thin recipes over one sampler, one loop, one evaluator and one report. The table is in registry.py."""
