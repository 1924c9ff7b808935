"""What runtimes, executions and outputs are: pure, without I/O and without a clock."""
