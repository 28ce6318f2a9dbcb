"""What an image is: read from its disk, without mounting it and without starting it.

Nothing of an image is believed: its readers check bounds, and links are followed inside it only.
"""

from dockyard.inspection.difference import Difference, Verdict, compare
from dockyard.inspection.image import Inspected, inspect_image

__all__ = ["Difference", "Inspected", "Verdict", "compare", "inspect_image"]
