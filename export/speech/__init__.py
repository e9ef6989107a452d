# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a voice makes a face speak: figures on synthetic speech, whose phones are known."""
