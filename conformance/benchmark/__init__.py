"""What is timed, how, and only if it is right."""
