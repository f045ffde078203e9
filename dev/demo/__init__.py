"""The whole story, played by a real MCP client and a simulated browser, each promise checked."""
