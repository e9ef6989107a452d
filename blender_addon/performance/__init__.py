# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 2, Performance: takes from footage and the viewport, cleaned and edited."""
