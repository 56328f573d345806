"""What is said where a library that an integration stands on is missing, too old, or broken."""

from __future__ import annotations

import importlib
from typing import Any

from negatives.errors import ConfigError


def fault(what: str, install: str, error: BaseException) -> ConfigError:
    """One line about a library that could not be imported, with the command that mends it.

    Args:
        what: What needs the library.
        install: What ``pip install`` is to be given.
        error: What the import raised.

    >>> str(fault("the miner", "'negatives[x]'", ModuleNotFoundError("No module named 'y'", name="y")))
    "the miner needs the package y; run: pip install 'negatives[x]'"

    A part that a package lacks is a matter of its version:

    >>> str(fault("the miner", "'negatives[x]'", AttributeError("z is gone")))
    "the miner cannot use what is installed (AttributeError: z is gone); run: pip install -U 'negatives[x]'"
    """
    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        return ConfigError(f"{what} needs the package {error.name}; run: pip install {install}")
    told = " ".join(f"{type(error).__name__}: {error}".split())
    return ConfigError(f"{what} cannot use what is installed ({told}); run: pip install -U {install}")


def base(name: str, *modules: str, otherwise: type = object) -> tuple[Any, Exception | None]:
    """A class of another library to derive from, so that a module can be read without the library.

    Args:
        name: Of the class.
        modules: Where it may be; the first that has it is taken.
        otherwise: What stands in its place where none has it.

    Returns:
        The class, and what the import raised where there is none: the fault of what is installed before that of what
        is missing.

    >>> base("OrderedDict", "not_there", "collections")
    (<class 'collections.OrderedDict'>, None)
    >>> base("Thing", "not_there")
    (<class 'object'>, ModuleNotFoundError("No module named 'not_there'"))
    """
    errors: list[Exception] = []
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name), None
        except Exception as error:  # a version that does not fit raises anything
            errors.append(error)
    return otherwise, next((one for one in errors if not isinstance(one, ModuleNotFoundError)), errors[0])


def expect(of: type, *names: str) -> None:
    """See that a class of another library has what an integration overrides, which it would not call otherwise.

    Args:
        of: The class.
        names: Of its methods.

    Raises:
        AttributeError: One is not there; a matter of the version.

    >>> expect(dict, "get", "get_all")
    Traceback (most recent call last):
        ...
    AttributeError: dict has no get_all
    """
    for name in names:
        if not hasattr(of, name):
            raise AttributeError(f"{of.__name__} has no {name}")


def imported(module: str, what: str, install: str, name: str | None = None) -> Any:
    """A module of another library, or what it calls ``name``.

    Args:
        module: Its name.
        what: What needs it.
        install: What ``pip install`` is to be given.
        name: Of what is wanted of the module; the module itself when None.

    Raises:
        ConfigError: It cannot be imported, whatever the reason; says which command mends it.
    """
    try:
        found = importlib.import_module(module)
        return found if name is None else getattr(found, name)
    except Exception as error:  # a version that does not fit raises anything
        raise fault(what, install, error) from error
