# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of a mouth that the portrait does not show: teeth, gums, tongue and darkness."""
