"""MCP clients (Claude Code, Cursor, …): where each keeps its servers, and how ours is put there."""
