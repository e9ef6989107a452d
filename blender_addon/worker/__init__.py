# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker seen from Blender: its client, the pump that hears it, jobs, and their bars."""
