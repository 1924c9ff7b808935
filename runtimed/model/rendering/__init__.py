"""Outputs as text within a budget, for models and for people. Pure."""
