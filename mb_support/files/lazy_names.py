"""What the `__init__.py` of a folder shows: names that are loaded on first use."""

import sys
from importlib import import_module


def handed_on(package, public):
    """`__getattr__`, `__dir__` and `__all__` of a package that hands on {module: names} when they
    are asked for, so that importing a folder costs next to nothing."""
    module_of = {name: module for module, names in public.items() for name in names}

    def get(name):
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names():
        return sorted({*vars(sys.modules[package]), *module_of})

    return get, names, sorted(module_of)
