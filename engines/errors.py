"""Every error faceguard raises on purpose, as one tree.

::

    FaceguardError                exit code
     |- UsageError                 2   an option or a value that cannot be meant
     |- InputError                 1   a picture, video or folder that cannot be read
     |   |- TooManyPixels          1   a picture that is, or would become, larger than allowed
     |   '- CameraError            1   a camera that gives no frames
     |       |- CameraAbsent       1   not there, or does not let us in
     |       |- CameraUnfit        1   cannot give what the configuration asks for
     |       |- CameraLost         1   was there and broke off
     |       |- CameraSilent       1   is there and sends nothing
     |       '- CameraCorrupt      1   sends what cannot be decoded
     |- OutputError                5   a place that cannot be written
     |   '- OutputExists           1   something stands there already and --force was not given
     |- AlreadyRunning            10   another faceguard has this camera
     |- PowerModeError             1   a power mode that could not be set
     |   '- RestartNeeded         11   one that this board only takes when it starts
     |- MissingPackage             3   a Python package that a command needs is not installed
     |- ModelError                 3   a model that is not what it should be
     |   |- ModelMissing           3   not on this machine: `faceguard models pull NAME`
     |   |- ModelCorrupt           3   its bytes are not the ones its catalogue or manifest names
     |   |- EngineStale            3   built for another machine: `faceguard engines build`
     |   '- ModelUnknown           2   no such name in the catalogue
     |- NoRoom                     8   work for which there is not enough memory now
     |- FetchError                 4   a download that did not come to its end
     |- ConvertError               6   a graph that cannot become an engine
     |   |- BadModelFile           6   truncated, or no model at all
     |   |- UnsupportedOp          6   an operation that the converter or the backend does not know
     |   |- BuildFailed            6   the backend refused the graph, crashed, or took too long
     |   |- NotEnoughMemory        8   the build would not fit into what is free
     |   '- ProofFailed            9   the result is not what was asked for, or sees other faces
     '- InferenceError             7   a runtime that failed, or gave an answer that cannot be true
         |- TensorMismatch         7   dtype or shape is not what the engine takes
         '- InferenceTimeout       7   no answer in the time allowed

Each message is one line: what is wrong, where, and what to do about it. The command line prints
that line and exits with the code beside the class; a traceback on a user's screen is a bug.
"""


class FaceguardError(Exception):
    """Base of all errors that faceguard raises on purpose."""

    exit_code: int = 1


class UsageError(FaceguardError):
    """An option or a value that cannot be meant."""

    exit_code = 2


class InputError(FaceguardError):
    """A picture, video or folder that cannot be read."""

    exit_code = 1


class TooManyPixels(InputError):
    """A picture that is larger than allowed, or would become so."""


class CameraError(InputError):
    """A camera that gives no frames; `faceguard run` counts it, waits and tries again.

    Attributes:
        is_final: Whether a first try that fails so is the last: a file does not come by itself.
    """

    is_final: bool = False


class CameraAbsent(CameraError):
    """The camera is not there, or does not let us in."""


class CameraUnfit(CameraError):
    """The camera cannot give the format, size or rate that was asked for."""


class CameraLost(CameraError):
    """The camera was there and broke off."""


class CameraSilent(CameraError):
    """The camera is there and sends nothing."""


class CameraCorrupt(CameraError):
    """The camera sends what cannot be decoded."""


class OutputError(FaceguardError):
    """A place that cannot be written: full, read-only or missing."""

    exit_code = 5


class OutputExists(OutputError):
    """Something stands at the output's place and was not to be replaced."""

    exit_code = 1


class AlreadyRunning(FaceguardError):
    """Another faceguard has this camera."""

    exit_code = 10


class PowerModeError(FaceguardError):
    """A power mode that could not be set, or did not hold."""


class RestartNeeded(PowerModeError):
    """A power mode that this board only takes when it starts."""

    exit_code = 11


class MissingPackage(FaceguardError):
    """A Python package that a command needs is not installed."""

    exit_code = 3


class ModelError(FaceguardError):
    """A model that is not what it should be."""

    exit_code = 3


class ModelMissing(ModelError):
    """The model is in the catalogue but not on this machine."""


class ModelCorrupt(ModelError):
    """The model's bytes are not the ones that the catalogue names."""


class EngineStale(ModelError):
    """An engine that was built for another GPU, or by another TensorRT, than are here."""


class ModelUnknown(ModelError):
    """No model of that name is in the catalogue."""

    exit_code = 2


class NoRoom(FaceguardError):
    """Work for which there is not enough memory now; the message says how much it takes."""

    exit_code = 8


class FetchError(FaceguardError):
    """A download that did not come to its end."""

    exit_code = 4


class ConvertError(FaceguardError):
    """A graph that cannot become an engine."""

    exit_code = 6


class BadModelFile(ConvertError):
    """A model file that is truncated, damaged or of another kind."""


class UnsupportedOp(ConvertError):
    """An operation that the converter or the backend does not know."""


class BuildFailed(ConvertError):
    """The backend refused the graph, crashed, or did not come to an end in time."""


class NotEnoughMemory(ConvertError):
    """A build that would not fit into the memory that is free."""

    exit_code = 8


class ProofFailed(ConvertError):
    """A result that is not in the precision asked for, or does not see what its source sees."""

    exit_code = 9


class InferenceError(FaceguardError):
    """A runtime that failed, or gave an answer that cannot be true."""

    exit_code = 7


class TensorMismatch(InferenceError):
    """An array whose dtype or shape is not what the engine takes."""


class InferenceTimeout(InferenceError):
    """No answer in the time allowed."""
