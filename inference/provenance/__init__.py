# SPDX-License-Identifier: GPL-3.0-or-later
"""What every output says of itself: how it came to be, from whose picture, by whose consent."""
