# SPDX-License-Identifier: GPL-3.0-or-later
"""A voice recording makes a face speak: sound -> phones with times -> a performance."""
