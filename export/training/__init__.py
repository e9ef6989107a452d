# SPDX-License-Identifier: GPL-3.0-or-later
"""From prepared footage to trained weights: losses, the loop, personalization."""
