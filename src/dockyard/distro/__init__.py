"""Distributions made of components: from declarations to RPMs to a signed repository.

`load` reads declarations, `lock` pins the upstream packages, `relations` maps dependencies,
`convert` and `own` make RPMs, `build` runs it all, `repository` publishes, `check` proves closure.
"""
