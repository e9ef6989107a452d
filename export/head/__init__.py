# SPDX-License-Identifier: GPL-3.0-or-later
"""The head behind the face: its form, taken from a public-domain mesh once and for all."""
