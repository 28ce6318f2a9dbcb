"""The functions of an image's steps. Each module imports no more than what its steps are made by:
that is the code that names their results.
"""
