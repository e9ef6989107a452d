# SPDX-License-Identifier: GPL-3.0-or-later
"""What a portrait is made of, once and for all: the person's matte and colours, and the ground."""
