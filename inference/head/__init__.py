# SPDX-License-Identifier: GPL-3.0-or-later
"""The head in depth: skull and hair behind the face, which turn with it."""
