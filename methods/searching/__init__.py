"""How the plans of `search` are found: sensitivities that are measured, and chains of evaluations that they choose."""
