"""What a login sees of the disk, and what it may do there."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_icsftps.gateway.names import DEFAULT_OUTBOX
from airflow_provider_icsftps.simulator._pyftpdlib import AbstractedFS
from airflow_provider_icsftps.simulator.gateway import Gateway


class GatewayFolders(AbstractedFS):  # type: ignore[misc]  # pyftpdlib has no types
    """The folders of a login."""

    def chdir(self, path: str) -> None:
        """
        Change the login's folder, and not the process's as pyftpdlib does.

        :param path: the real path.
        """
        if not Path(path).is_dir():
            raise NotADirectoryError(20, "Not a directory", path)
        self.cwd = self.fs2ftp(path)

    def listdir(self, path: str) -> list[str]:
        """
        List a folder; in an outbox lies what has come by now.

        :param path: the real path.
        """
        gateway: Gateway = self.cmd_channel.gateway
        username: str = self.cmd_channel.username
        if Path(path) == gateway.storage.outbox(username):
            gateway.look(username)
        names: list[str] = super().listdir(path)
        return names

    def get_user_by_uid(self, uid: int) -> str:
        """
        Show no names of this machine.

        :param uid: of a file's owner on this machine.
        """
        return "gateway"

    get_group_by_gid = get_user_by_uid


class Permissions:
    """
    What a login may do; in the place of pyftpdlib's authorizer.

    :param gateway: who knows.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        """
        Say whether a login may do something with a path.

        :param username: who.
        :param perm: pyftpdlib's letter: ``e`` enter, ``l`` list, ``r`` read, ``w`` write, ``d`` delete.
        :param path: the real path.
        """
        if perm in "el":
            return True
        home = self._gateway.storage.home(username)
        folder, *rest = Path(path or home).relative_to(home).parts or ("",)
        if len(rest) != 1:
            return False
        if folder == DEFAULT_OUTBOX.strip("/"):
            return perm in "rd"
        if folder not in self._gateway.accounts[username].services:
            return False
        return perm == "w" or (perm == "d" and self._gateway.policy.allow_service_delete)

    def get_perms(self, username: str) -> str:
        """
        Return what listings show as permissions.

        :param username: who.
        """
        return "elrdw"

    def get_msg_quit(self, username: str) -> str:
        """
        Return the words of the reply to QUIT.

        :param username: who.
        """
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        """
        Do nothing: there are no users of the machine behind the logins.

        :param username: who.
        :param password: as sent.
        """

    def terminate_impersonation(self, username: str) -> None:
        """
        Do nothing, see above.

        :param username: who.
        """
