# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 4, Composite: head frames for a range, laid over the portrait."""
