"""The service managers of the machine, as a client sees them: systemd, launchd, or none.

Each module has one: it installs the files of ``packaging/``, starts, stops and looks. What is asked
of the daemon itself (how many kernels live, its version) is asked by who uses this.
"""
