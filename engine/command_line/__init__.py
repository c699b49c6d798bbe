"""TODO room command_line."""
