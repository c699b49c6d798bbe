"""What every step runs on: the step and its fingerprint, and the place that is handed to it; nothing of what is made."""
