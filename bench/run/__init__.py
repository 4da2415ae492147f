"""Who runs a suite's cells: the run itself, its samples alone, the scheduler and its workers."""
