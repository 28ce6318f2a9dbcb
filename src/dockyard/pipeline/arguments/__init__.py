"""What the steps of an image are called with, as data. A class is named after the function that
takes it: `MakeUki` for `make_uki`. Fields of type `Beside` do not shape what a step makes.

A step is made anew when the code that it imports changes, its arguments' modules among it. So those
that know of settings, which change often, stand apart from the others.

below: the names of the results that make up a root tree, the lowest first: that of the packages,
then layers over it. epoch: seconds since 1970, the time of what is made.
"""
