"""The report of a run: tables, plots, plans, samples and where its numbers come from."""
