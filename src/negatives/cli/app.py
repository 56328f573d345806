"""The table of commands, and what becomes of errors: one line and an exit code.

A command's module imports the heavy packages inside its function, so that help and faults of spelling are quick.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import sys
from collections.abc import Iterator

from cyclopts import App, CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from negatives.cli.clean import clean
from negatives.cli.compare import compare
from negatives.cli.demo import demo
from negatives.cli.doctor import doctor
from negatives.cli.faults import check_place, sentence
from negatives.cli.inspect import inspect
from negatives.cli.keys import keys
from negatives.cli.mine import mine
from negatives.cli.options import as_typed
from negatives.cli.predict import predict
from negatives.cli.runs import evaluate, export, report
from negatives.cli.samplers import samplers
from negatives.cli.serve import serve
from negatives.cli.stopping import hushed
from negatives.cli.streams import steady
from negatives.cli.train import train
from negatives.cli.watch import watch
from negatives.errors import LONGEST, Interrupted, NegativesError, Stopped, clipped
from negatives.registry import suggest
from negatives.runs.processes import check_command, first, silent

COMMANDS = (
    demo, inspect, train, predict, serve, compare, mine, evaluate, report, watch, export, clean, samplers, keys, doctor,
)  # fmt: skip
USAGE = 2
BROKEN_PIPE = 141
"""As a shell reports a process that SIGPIPE has ended."""
CLOSE = 0.75
"""How alike an option must be to be suggested, from 0 to 1: a letter or two may differ."""
NUMBERS: dict[object, str] = {int: "a whole number", float: "a number"}


def make_app() -> App:
    """The command line, with help made from the functions' signatures and docstrings."""
    app = App(
        name="negatives",
        help="Adaptive negative sampling for anyone who trains embeddings or rankers.",
        version=_version,
        help_format="plaintext",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        app.command(command)
    return app


def run(arguments: list[str]) -> int:
    """Run one command; see :func:`negatives.cli.main`."""
    steady()
    try:
        with _messages():
            return _run(arguments)
    finally:
        hushed(sys.stdout, sys.stderr)


def _run(arguments: list[str]) -> int:
    arguments = as_typed(arguments)
    try:
        check_command(arguments)
        check_place(arguments)
        result = make_app()(arguments, exit_on_error=False, print_error=False, verbose=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except CycloptsError as error:
        return _fault(_explain(error, arguments))
    except NegativesError as error:
        return _fault(str(error))
    except Interrupted as stop:
        return _interrupted(stop)
    except KeyboardInterrupt as stop:
        _fault("interrupted; no checkpoint was written")
        return 128 + (stop.signal if isinstance(stop, Stopped) else 2)
    except BrokenPipeError:
        return BROKEN_PIPE
    except SystemExit as stop:  # so the printer of the help ends where nobody reads it
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        return BROKEN_PIPE
    except BaseException as error:  # some libraries' errors are not of type Exception
        told = sentence(error)
        if told is None:
            raise
        return _fault(told)


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    """What the package logs, such as what a reader took for what, goes to standard output as it is, once."""
    logger, handler = logging.getLogger("negatives"), logging.StreamHandler(sys.stdout)
    before = logger.level
    if not first():
        handler.setLevel(logging.CRITICAL)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _fault(message: str) -> int:
    if silent():
        return USAGE
    with contextlib.suppress(OSError):  # nobody reads it, or its disk is full
        print("negatives: " + clipped(" ".join(message.split()), LONGEST), file=sys.stderr)
    return USAGE


def _interrupted(stop: Interrupted) -> int:
    import shlex

    kept = f"; {stop.kept} finished training{'s are' if stop.kept > 1 else ' is'} kept" if stop.kept else ""
    saved = "a checkpoint is saved" if stop.saved else "" if kept else "nothing is saved"
    told = "interrupted" if stop.saved or kept else "interrupted before the first checkpoint"
    told += kept + (f", {saved}" if saved else "")
    if stop.run is not None:
        how = "go on with" if stop.saved or kept else "begin anew with"
        told += f"; {how}: negatives {stop.command} --resume --out {shlex.quote(str(stop.run))}"
    _fault(told)
    return 128 + stop.signal


def _explain(error: CycloptsError, arguments: list[str]) -> str:
    names = [command.__name__ for command in COMMANDS]
    if isinstance(error, UnknownCommandError) and arguments:
        word = next((one for one in arguments if not one.startswith("-")), arguments[0])
        near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
        return f"no command is called {word!r}; {suggest(word, near or names)}"
    text = " ".join(_fault_of_words(error).split())
    chain = " ".join(error.command_chain or ())
    return text if "?" in text else f"{text} See: negatives {chain} --help".replace("  ", " ")


def _fault_of_words(error: CycloptsError) -> str:
    """What is wrong with the words after the command, in a sentence."""
    if isinstance(error, UnknownOptionError):
        wanted = (error.token.keyword or error.token.value).partition("=")[0]
        known = [name for argument in error.argument_collection if argument.parse for name in argument.names]
        near = difflib.get_close_matches(wanted, known, n=1, cutoff=CLOSE)
        return f"no option is called {wanted}." + (f" Did you mean {near[0]}?" if near else "")
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"nothing takes {' '.join(map(repr, error.unused_tokens))}."
    if isinstance(error, MissingArgumentError) and error.argument:
        return f"{error.keyword or error.argument.name} is missing, or its value."
    if isinstance(error, CoercionError) and error.token and error.target_type in NUMBERS:
        return f"{error.token.keyword} {error.token.value!r}: give {NUMBERS[error.target_type]}."
    return str(error)


def _version() -> str:
    from importlib.metadata import version

    return version("negatives")
