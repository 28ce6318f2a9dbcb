"""Distributions made of components: declarations → RPMs → a signed repository.

`load` reads declarations, `lock` pins the upstream packages, `relations` maps dependencies,
`convert` and `own` make RPMs, `build` runs it all, `repository` publishes, `check` proves closure.
"""
