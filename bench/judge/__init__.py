"""What stored results say: fronts, rankings, verdicts, comparisons, and the gate."""
