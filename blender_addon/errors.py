# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong on Blender's side, each as one line for the person.

`inference` has a family of its own: the two never import each other.
"""


class InputError(ValueError):
    """The user gave something that cannot be used: a wrong file, size or option."""

    exit_code = 2


class RenderError(RuntimeError):
    """Blender could not save or render (a full disk, a folder that is not writable)."""

    exit_code = 1


class JobError(RuntimeError):
    """A job that the worker ran failed or was cancelled; the line is the worker's."""

    exit_code = 1
