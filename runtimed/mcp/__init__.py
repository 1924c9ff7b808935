"""What language models see: ten tools over the daemon, and the MCP server that offers them.

`definitions`, `arguments`, `sight`, `desk` and `tools` know nothing of MCP: `runt tools` uses
them too. The rest imports the SDK, and is loaded only where a server runs.
"""
