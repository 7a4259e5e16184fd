"""The gateway's verbs over one session."""

from __future__ import annotations

from typing import Any

from airflow_provider_icsftps.exceptions import (
    GatewayRefusedError,
    InvalidNameError,
    StatusFileError,
)
from airflow_provider_icsftps.gateway._download import WHOLE_WITHIN, retrieve
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._kept_session import KeptSession
from airflow_provider_icsftps.gateway._listing import OutboxEntry
from airflow_provider_icsftps.gateway._looking import list_folder, list_names, names_in, size_of, time_of
from airflow_provider_icsftps.gateway._ping import PING, ping_name
from airflow_provider_icsftps.gateway._transfer import Upload
from airflow_provider_icsftps.gateway.landing import landing
from airflow_provider_icsftps.gateway.names import HEARTBEAT_SERVICE, check_file_name, check_server_name, check_service
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames, digit_of
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.gateway.sources import opened
from airflow_provider_icsftps.gateway.status import MAX_STATUS_BYTES, StatusFile
from airflow_provider_icsftps.gateway.submission import Transfer


class GatewayClient(KeptSession):
    """
    One connection to a gateway. A context manager.

    Verbs that only look or fetch are repeated once over a new connection when the old one turns out to be dead (it
    may have idled away). An upload never is: that decision needs evidence
    (:mod:`~airflow_provider_icsftps.gateway.filing`). A refused login is never repeated.

    :param settings: where to and as whom.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        super().__init__(settings)
        #: How the last upload ended, as far as it is known.
        self.last_transfer = Transfer.NONE

    def __repr__(self) -> str:
        """Tell where to and as whom."""
        state = "open" if self.is_open else "closed"
        return f"<GatewayClient {self.settings.username} at {self.settings.address}, {state}>"

    # ------------------------------------------------------------ filing

    def upload(self, source: Any, *, service: str, file_name: str, size: int | None = None) -> int:
        """
        Send one file under a name, once; what is known of its end is in :attr:`last_transfer`.

        :param source: a path (text or any path object with ``open``), bytes, or a binary file read to its end.
        :param service: the service folder.
        :param file_name: the name it gets there.
        :param size: bytes that the source holds, if that is known: it lets a cut be told from an interrupt at the end.
        :return: bytes sent; the gateway has confirmed them, unless :attr:`last_transfer` says ``SENT``: then its data
            connection was reset, and its yes may be about less.
        :raises ReadOnlyGatewayError: for a read-only gateway, before connecting.
        :raises InvalidNameError: when service or name is not legal, before connecting.
        :raises TransferError: when the source cannot be read, the connection is cut in the middle, or the gateway says
            that it has the file before it was sent the end.
        :raises GatewayUnavailableError: when the gateway cannot take it now, or the outcome is unknown.
        :raises GatewayRefusedError: when the gateway refuses it.
        :raises GatewayProtocolError: when its answer makes no sense; the outcome is unknown then, too.
        """
        self.settings.check_writable()
        path = f"/{check_service(service)}/{check_file_name(file_name, self.settings.file_name_rule)}"
        self.last_transfer = Transfer.NONE
        with opened(source) as file:
            session = self._open_session()
            upload = Upload(session, path, size)
            try:
                return upload.send(file)
            finally:
                self.last_transfer = upload.transfer

    def heartbeat(self, service: str = HEARTBEAT_SERVICE) -> str:
        """
        Send a small ping file, which the gateway answers by a status file like any other.

        What such a file must hold is not known.

        :param service: the service folder for pings.
        :return: the ping's file name.
        """
        name = ping_name()
        self.upload(PING, service=service, file_name=name)
        return name

    def stored_size(self, service: str, file_name: str) -> int | None:
        """
        Return the size of a file that lies in a service folder.

        :param service: the service folder.
        :param file_name: the file's name.
        :return: bytes; ``None`` when it is not there (perhaps not any more), or the gateway does not let us look.
        """
        path = f"/{check_service(service)}/{check_server_name(file_name)}"
        return self._look(lambda session: size_of(session, path))

    def lacks_service(self, service: str) -> bool:
        """
        Say whether the folders that this login sees show that a service folder is not among them.

        :param service: the service folder.
        :return: ``False`` also where the gateway does not show folders.
        """
        try:
            seen = self._look(lambda session: names_in(session, "/"))
        except GatewayRefusedError:
            return False
        return self.settings.outbox.split("/")[1] in seen and service not in seen

    def remove_stored(self, service: str, file_name: str) -> bool:
        """
        Remove a cut copy from a service folder.

        :param service: the service folder.
        :param file_name: the file's name.
        :return: whether the gateway did it; few are known to allow it.
        """
        path = f"/{check_service(service)}/{check_server_name(file_name)}"
        try:
            self._delete(path)
        except GatewayRefusedError:
            return False
        return True

    # ------------------------------------------------------------ the outbox

    def list_outbox(self, *, times: bool = True, left_out: list[OutboxEntry] | None = None) -> list[OutboxEntry]:
        """
        List the files in the outbox, in the order of their names.

        MLSD where the gateway has it, else LIST, else NLST with a SIZE for each file; the last two with an MDTM for
        each file.

        :param times: ``False`` spares the MDTM for each file where there is no MLSD.
        :param left_out: gets the first entries whose names cannot be used here; the log tells them in any case.
        :return: files only; a size or time that the gateway does not tell is ``None``.
        :raises FileNotAvailableError: when there is no such folder, where the gateway tells; some show an empty one.
        :raises TransferError: when the listing is cut short or has no end.
        """

        def listed(session: FtpsSession) -> list[OutboxEntry]:
            if left_out is not None:
                left_out.clear()  # a dead session may have listed some of it
            return list_folder(session, self.settings.outbox, times=times, left_out=left_out)

        entries = self._look(listed)
        return sorted(entries, key=lambda entry: entry.name)  # a name may stand there twice, once without a size

    def look_at(self, name: str) -> OutboxEntry:
        """
        Ask for the size and time of one file in the outbox, without a listing.

        :param name: its name in the outbox.
        :return: size and time are ``None`` when it is not there, or the gateway does not tell.
        """
        path = f"{self.settings.outbox}/{check_server_name(name)}"
        return self._look(lambda session: OutboxEntry(name, size_of(session, path), time_of(session, path)))

    def outbox_names(self) -> OutboxNames:
        """
        List the names in the outbox by one listing: all that a wait needs.

        :return: the names; those that cannot be used here are left out and told in the log.
        :raises FileNotAvailableError: when there is no such folder, where the gateway tells; some show an empty one.
        :raises TransferError: when the listing is cut short or has no end.
        """
        return OutboxNames(self._look(lambda session: list_names(session, self.settings.outbox)))

    def read_status(self, name: str) -> StatusFile:
        """
        Fetch and read a status file.

        :param name: its name in the outbox.
        :return: what it holds, with the digit of its name.
        :raises InvalidNameError: when that is no name of a status file.
        :raises StatusFileError: when its content cannot be read.
        :raises FileNotAvailableError: when it is not there.
        """
        digit = digit_of(check_server_name(name))
        if digit is None:
            raise InvalidNameError(f"{name!r} is no name of a status file")
        content = bytearray()
        path = f"{self.settings.outbox}/{name}"

        def take(block: memoryview) -> None:
            content.extend(block)
            if len(content) > MAX_STATUS_BYTES:
                raise StatusFileError(f"Status file {path} has more than {MAX_STATUS_BYTES} bytes; it was not read")

        def fetch(session: FtpsSession) -> None:
            content.clear()
            seconds = WHOLE_WITHIN * self.settings.data_timeout
            retrieve(session, f"RETR {path}", self._tried(f"Reading of {path}"), take, seconds=seconds)

        self._look(fetch)
        try:
            return StatusFile.from_xml(bytes(content), digit)
        except StatusFileError as error:
            raise StatusFileError(f"{path} at {self.settings.address}: {error}") from error

    def download(self, name: str, target: Any, *, size: int | None = None) -> int:
        """
        Fetch a file from the outbox; the target appears only when it is complete.

        :param name: its name in the outbox.
        :param target: path of the new file, local or any path object.
        :param size: bytes, if a listing told; else the gateway is asked.
        :return: bytes.
        :raises FileNotAvailableError: when it is not there.
        :raises TransferError: when it is cut short, has another size, or the target cannot be written.
        """
        path = f"{self.settings.outbox}/{check_server_name(name)}"
        tried = self._tried(f"Download of {path}")

        def fetch(session: FtpsSession) -> int:
            expected = size_of(session, path) if size is None else size
            with landing(target) as file:
                return retrieve(session, f"RETR {path}", tried, file.write, expected)

        return self._look(fetch)

    def delete(self, name: str) -> None:
        """
        Delete a file in the outbox.

        :param name: its name in the outbox.
        :raises ReadOnlyGatewayError: for a read-only gateway.
        :raises FileNotAvailableError: when it is not there, or may not be deleted.
        """
        self._delete(f"{self.settings.outbox}/{check_server_name(name)}")

    # ------------------------------------------------------------ inside

    def _delete(self, path: str) -> None:
        self.settings.check_writable()
        session = self._open_session()
        with session.mapped(self._tried(f"Deletion of {path}"), "DELE"):
            session.voidcmd(f"DELE {path}")

    def _tried(self, what: str) -> str:
        return f"{what} at {self.settings.address}"
