"""Medians, intervals, bootstrap and jackknife; they know nothing of what is measured."""
