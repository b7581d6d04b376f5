"""Running graphs: the only layer that knows onnxruntime."""

import os

# Its builds for Linux and macOS send usage to Microsoft since 1.29, unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
