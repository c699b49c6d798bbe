"""What steps hand to each other: the columns of every table, and a typed door for each finished folder."""
