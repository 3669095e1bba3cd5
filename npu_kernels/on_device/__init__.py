"""Is there a device, and how is it used."""
