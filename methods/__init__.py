"""Samplers and cache methods by name, and the plan that every cache method yields."""

from methods.registry import build, find, forget, names, register

__all__ = ["build", "find", "forget", "names", "register"]
