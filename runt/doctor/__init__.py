"""What ``runt doctor`` looks at: one module a group of checks, and what becomes of them."""
