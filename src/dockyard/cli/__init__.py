"""The command line: one module per verb or noun; the only room that prints or exits."""
