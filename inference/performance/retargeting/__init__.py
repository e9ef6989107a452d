# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver's motion carried over to the portrait's own geometry."""
