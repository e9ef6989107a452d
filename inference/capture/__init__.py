# SPDX-License-Identifier: GPL-3.0-or-later
"""From footage to landmark tracks: reading video, finding faces, telling them apart."""
