"""What studies share: a model under study, masks of branches, the exact solution, and steps that are kept."""
