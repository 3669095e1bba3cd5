"""The emulator's micro-tests, and what is proved of it."""
