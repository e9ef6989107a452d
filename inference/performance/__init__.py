# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion apart from whose face made it: head pose, and retargeting from driver to portrait."""
