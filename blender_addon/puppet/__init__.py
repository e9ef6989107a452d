# SPDX-License-Identifier: GPL-3.0-or-later
"""The puppet, and what a camera sees of it or of any character."""
