"""What every step runs on: a step and its fingerprint, and the place that is handed to it; nothing of what is made."""
