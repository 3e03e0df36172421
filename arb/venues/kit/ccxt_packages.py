"""ccxt's packages, of which only the needed parts are loaded.

`import ccxt` imports a hundred exchanges, `ccxt.async_support` and `ccxt.pro` as many again: 0.4 s and 60 MB for three.
Its packages do nothing but that, so they are entered here as modules that are not run yet. A known name (an exchange's
class, an error) is loaded from its one file; for any other name, and so for changes in a later ccxt, the whole package
is run, as usual. Later imports of ccxt get the same classes and miss nothing.
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
"""Each package, and the module of its `Exchange`, the base of its exchanges."""
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
    """A package that is run when a name is asked for that has no file in it."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a class where an import would set the module of the same name, as the package itself would."""
        super().__setattr__(name, _class_in(value, name) or value)

    def __getattr__(self, name: str) -> Any:
        """Return a name from its own file, or run the package; raises `AttributeError` as any module."""
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
