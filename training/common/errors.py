"""Errors that a user can correct. The message says what was wrong and what to do; families add no classes.

UserError (ValueError)
├── ConfigError        a setting that cannot be used
├── DatasetError       data that is missing, unreachable or malformed
├── DeviceError        a device that is not there
├── RunError           a run directory that cannot be used
├── CheckpointError    a checkpoint that is missing, damaged or of other settings
└── ExportError        a model that cannot be exported

ProcessLostError       another process of the run ended
"""


class UserError(ValueError):
    """An error that the command line reports by its text, without a traceback."""


class ConfigError(UserError):
    """A setting cannot be used; the text names it and says what can."""


class DatasetError(UserError):
    """A data file is missing, unreachable or not what it should be; the text says which and what to do."""


class DeviceError(UserError):
    """The device that was asked for is not there."""


class RunError(UserError):
    """A run directory cannot be used; the text names it and says what to do."""


class CheckpointError(UserError):
    """A checkpoint cannot be used; the text names the file and the reason."""


class ExportError(UserError):
    """A model cannot be exported; the text says why."""


class ProcessLostError(RuntimeError):
    """Another process of a run by several ended or does not answer, so that this one cannot go on."""
