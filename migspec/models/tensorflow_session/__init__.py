"""The variables of a TensorFlow 1 graph, whose values are in a session."""

from migspec.models.tensorflow_session.model import SessionModel, open_session, session_of

__all__ = ["SessionModel", "open_session", "session_of"]
