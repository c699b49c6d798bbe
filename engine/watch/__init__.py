"""What others see of a run while it goes on: its status, its metrics, and what trackers are told of its results."""
