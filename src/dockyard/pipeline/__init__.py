"""From an image file to the steps that build it: the one place that knows all rooms of a build."""
