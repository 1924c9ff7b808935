"""The figures of docs/explanation/performance.md: ``python -m bench [NAME …]``."""
