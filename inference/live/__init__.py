# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait that performs now: a camera, a phone or a stream drives it, frame by frame."""
