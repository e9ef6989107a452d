# SPDX-License-Identifier: GPL-3.0-or-later
"""From a handful of pictures of one person to a generator of that person alone."""
