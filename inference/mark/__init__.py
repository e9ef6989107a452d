# SPDX-License-Identifier: GPL-3.0-or-later
"""The invisible mark: 32 bits on a synthesized face's skin, found without the original."""
