"""One verb, one module. A module is imported when its verb is used."""
