"""Work that nobody waits for: connectors, the queue, the schedule. `enqueue` is the only door for the web."""
