"""The contract: every method, type, event and error, written once."""
