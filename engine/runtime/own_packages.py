"""Imports of `engine`, `training` and `eval` find our packages, though other folders have these names too.

In: nothing. Out: `sys.modules` with the packages that lie beside this file. Python looks into the current folder
before it looks where synthmill is installed, and Ray puts the driver's current folder before everything else in each
worker; what is imported already is not looked for again. A package file holds a docstring only, so this costs nothing.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from importlib.machinery import PathFinder

from engine.runtime.identity import PACKAGES, ROOT

WORKER_HOOK = "engine.runtime.own_packages.import_own_packages"
"""The function that Ray calls in a worker before it puts the driver's folders first."""


def import_own_packages() -> None:
    """Imports the packages of this installation under their names, so that no folder of the same name is taken."""
    for name in PACKAGES:
        if name in sys.modules:
            continue
        spec = PathFinder.find_spec(name, [str(ROOT)])
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"{ROOT} holds no package {name!r}: the installation of synthmill is not whole")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def search_path() -> dict[str, str]:
    """Gives the environment variable with which another Python process finds this synthmill before any other.

    It is empty where synthmill is installed beside the libraries, which every process finds; there it would put the
    libraries before Python's own modules.
    """
    if str(ROOT) == sysconfig.get_path("purelib"):
        return {}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}
