"""What more examples are worth: quality against their number, what the next gain costs, and where more stop helping."""
