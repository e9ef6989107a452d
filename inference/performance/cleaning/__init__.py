# SPDX-License-Identifier: GPL-3.0-or-later
"""What capture left rough: noise is filtered, short gaps are bridged."""
