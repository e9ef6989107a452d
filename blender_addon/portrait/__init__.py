# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1, Portrait: whose face, on which pictures, and on what ground."""
