"""From YAML to the model: positions, strictness, base configs, JSON schema, messages.

load_image(path)        an image file, merged with its base configs
parse_image(text)       the same from text
parse_model(model, text) any one model from text
load_inject_files(path) the configuration of `inject-files`
load_package_list(path) a list of packages
package_names(loaded)   what to install, remove and update, with positions
check_files(loaded)     which local files are missing
referenced(loaded)      the local files that it names
"""

from dockyard.config.inject import LoadedInjectFiles, load_inject_files
from dockyard.config.load import (
    LoadedImage,
    load_image,
    load_model,
    load_package_list,
    parse_image,
    parse_model,
)
from dockyard.config.resources import (
    PackageName,
    PackageNames,
    check_files,
    package_names,
    referenced,
)

__all__ = [
    "LoadedImage",
    "LoadedInjectFiles",
    "PackageName",
    "PackageNames",
    "check_files",
    "load_image",
    "load_inject_files",
    "load_model",
    "load_package_list",
    "package_names",
    "parse_image",
    "parse_model",
    "referenced",
]
