# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with a delivery: a signature, a look at which marks are there, a label people see."""
