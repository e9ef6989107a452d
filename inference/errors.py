# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that a person may see.

Every message is one line: what was wrong, with which file, and what to do next.
The command line prints it and exits with `exit_code`; the worker sends it as an event.
Both put it through `one_line`, since names and texts of files that come from outside are in it.
"""

import errno
import unicodedata

_LONGEST = 2000  # characters
# Controls (escape sequences for a terminal, line ends), marks that turn the direction of writing
# around, halves of characters, and separators of lines and paragraphs.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # belong to the letters of some scripts and to emoji


# What the system refuses because of the name that was given, and not because something broke.
_NAMED_WRONG = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
    }
)


def one_line(text: str) -> str:
    """The text as a terminal or a log may show it: one line, nothing in it but what is printed."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"
    return "".join(
        ascii(sign)[1:-1]
        if unicodedata.category(sign) in _UNPRINTABLE and sign not in _JOINERS
        else sign
        for sign in text
    )


class LikenessError(Exception):
    """Something went wrong that is not the user's doing (a full disk, a lost device)."""

    exit_code = 1


class InputError(LikenessError):
    """The user gave something that cannot be used: a wrong file, face number or option."""

    exit_code = 2


class Cancelled(LikenessError):
    """The job was cancelled; every frame that was written is whole."""

    exit_code = 130


def of_system(error: OSError) -> LikenessError:
    """The clear line for a refusal of the operating system's that nobody foresaw."""
    kind = InputError if error.errno in _NAMED_WRONG else LikenessError
    where = f"{error.filename}: " if error.filename else ""
    return kind(f"{where}cannot be used ({error.strerror or error}); choose another name or folder")
