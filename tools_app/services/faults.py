"""What a fault of the database means to whoever asked: one reading for the pages and the API."""

from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.infra.errors import AppError, InvalidInput, Unavailable

# Down, restarting, every connection in use, too slow.
DATABASE_AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError, PoolTimeout)
# Input that no database text can hold, such as a NUL character.
UNSTORABLE: tuple[type[Exception], ...] = (DataError,)


def as_app_error(fault: Exception) -> AppError:
    """The error of the one family that stands for `fault`; `internal` for what nobody expected."""
    if isinstance(fault, AppError):
        return fault
    if isinstance(fault, UNSTORABLE):
        return InvalidInput("The request contains characters that cannot be stored.")
    if isinstance(fault, DATABASE_AWAY):
        return Unavailable("The database does not answer.")
    return AppError("The server failed to answer.")
