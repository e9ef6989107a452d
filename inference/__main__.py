# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m inference`."""

import os
import sys

# FFmpeg and MediaPipe talk to stderr about matters that are ours to word.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
os.environ.setdefault("GLOG_minloglevel", "3")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from inference.cli import main

if __name__ == "__main__":
    sys.exit(main())
