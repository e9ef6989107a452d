# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3, Animate: strengths, test frames and the personalized model."""
