# SPDX-License-Identifier: GPL-3.0-or-later
"""From footage to training samples: prepared shards on disk, episodes, augmentation."""
