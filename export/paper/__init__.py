# SPDX-License-Identifier: GPL-3.0-or-later
"""The three networks of Zakharov et al. 2019: meta-learning them, and fine-tuning on a person."""
