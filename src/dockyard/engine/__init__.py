"""Plan, store, run, events: how work is explained, done once, and survives being killed."""
