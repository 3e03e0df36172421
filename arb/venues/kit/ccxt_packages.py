"""ccxt's packages, each loaded as far as something of it is asked for.

`import ccxt` imports a hundred exchanges, `ccxt.async_support` and `ccxt.pro` as many again: 0.4 s and 60 MB for three. Its
packages do nothing but that, so they are entered here as modules that are not run yet. What is asked for by name (an
exchange's class, an error) comes out of the one file that it stands in; for any other name, and so for whatever a later ccxt
does otherwise, the package is run whole, as ever. Whoever imports ccxt afterwards gets the same classes and misses nothing.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

PACKAGES = {
    "ccxt": "ccxt.base.exchange",
    "ccxt.async_support": "ccxt.async_support.base.exchange",
    "ccxt.pro": "ccxt.async_support.base.exchange",
}
"""Each package, and where its `Exchange` stands, on which its exchanges build."""
_RUN_FOR = ("__version__", "__all__")
"""Names with underscores that a package itself defines; any other that is missing belongs to the machinery of imports."""


def enter_packages() -> None:
    """Enter ccxt's packages among the loaded modules; does nothing where one is loaded already, or ccxt is missing."""
    if any(name in sys.modules for name in PACKAGES):
        return
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return
        package = importlib.util.module_from_spec(spec)
        package.__class__ = _Package
        sys.modules[name] = package
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, package)


class _Package(ModuleType):
    """A package that is run when something is asked for that it does not have in a file of its own."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a class where an import would leave the module that is called like it, as the package itself would."""
        super().__setattr__(name, _class_in(value, name) or value)

    def __getattr__(self, name: str) -> Any:
        """Return what is asked for out of its own file, or run the package; raises `AttributeError` as any module."""
        if name.startswith("__") and name not in _RUN_FOR:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        errors = importlib.import_module("ccxt.base.errors")
        if name in errors.__all__:
            return getattr(errors, name)
        if name == "Exchange":
            return importlib.import_module(PACKAGES[self.__name__]).Exchange
        file = f"{self.__name__}.{name}"
        if importlib.util.find_spec(file) is not None:
            importlib.import_module(file)
            return self.__dict__[name]
        package: ModuleType = self
        package.__class__ = ModuleType
        assert package.__spec__ is not None and package.__spec__.loader is not None
        package.__spec__.loader.exec_module(package)
        return getattr(package, name)


def _class_in(module: object, name: str) -> type | None:
    found = vars(module).get(name) if isinstance(module, ModuleType) else None
    return found if isinstance(found, type) else None
