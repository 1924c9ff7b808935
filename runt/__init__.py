"""runt: the command line of runtimed."""
