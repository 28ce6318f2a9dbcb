"""Feeds the readers of what strangers write with damaged input, see docs/fuzzing.md."""
