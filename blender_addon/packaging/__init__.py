# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the zips that Blender installs; none of this goes into them."""
