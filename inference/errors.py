# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that a person may see.

Every message is one line: what was wrong, with which file, and what to do next.
The command line prints it and exits with `exit_code`; the worker sends it as an event.
"""


class LikenessError(Exception):
    """Something went wrong that is not the user's doing (a full disk, a lost device)."""

    exit_code = 1


class InputError(LikenessError):
    """The user gave something that cannot be used: a wrong file, face number or option."""

    exit_code = 2


class Cancelled(LikenessError):
    """The job was cancelled; every frame that was written is whole."""

    exit_code = 130
