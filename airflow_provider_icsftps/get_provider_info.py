"""What Airflow asks of a provider: its connection type, the form for it, and where things are. Imports no Airflow."""

from __future__ import annotations

from typing import Any

from airflow_provider_icsftps import __version__


def _text(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def _seconds(label: str, description: str, default: int) -> dict[str, Any]:
    schema = {"type": ["integer", "null"], "default": default, "minimum": 1, "maximum": 86400}
    return {"label": f"{label} (seconds)", "description": description, "schema": schema}


# Secrets are masked by the words in a field's name (password, passphrase, private_key), never by its format.
_FIELDS = {
    "environment": _text(
        "Environment",
        "tfe: for tests; legacy: the old gateway, downloads only; custom: the host above.",
        enum=["production", "tfe", "legacy", "custom"],
        default="custom",
    ),
    "private_key_p12": _text(
        "Client certificate (.p12 as base64)",
        "The .p12 file as one line of base64: base64 -w0 certificate.p12",
        format="password",
    ),
    "private_key_passphrase": _text(
        "Passphrase of the certificate",
        "It opens the .p12 or the PEM key, and is not the gateway's password.",
        format="password",
    ),
    "private_key_pem": _text(
        "Client certificate (PEM), instead of .p12",
        "Private key, certificate and its issuing CA, one below the other.",
        format="multiline",
    ),
    "ca_pem": _text(
        "CA of the gateway (PEM)", "Only for a private CA; empty means the system's own list.", format="multiline"
    ),
    "outbox": _text("Outbox folder", "Where status and response files come.", default="/out"),
    "data_ports": _text("Passive data ports", "Such as 36000-39999; empty allows all."),
    "connect_timeout": _seconds("Connect limit", "For the connection and each TLS handshake.", 15),
    "timeout": _seconds("Reply limit", "For each reply on the control connection.", 30),
    "data_timeout": _seconds("Data limit", "Silence on a data connection.", 60),
    "completion_timeout": _seconds("Completion limit", "From the last byte to the gateway's word on it.", 120),
    "file_name_characters": _text(
        "Legal characters in file names", "As in a regular expression's brackets.", default="A-Za-z0-9_.-"
    ),
    "file_name_max_length": {
        "label": "Longest file name",
        "description": "Characters, extension included.",
        "schema": {"type": ["integer", "null"], "default": 82, "minimum": 32, "maximum": 200},
    },
    "sessions": {
        "label": "Parallel sessions",
        "description": "At most, for many files; 1 where the gateway allows only one.",
        "schema": {"type": ["integer", "null"], "default": 4, "minimum": 1, "maximum": 16},
    },
    "read_only": {
        "label": "Read only",
        "description": "Refuse uploads and deletions. The legacy environment always does.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "client_p12_file": _text("Certificate file on the worker (.p12)", "A path, instead of the text above."),
    "client_pem_file": _text("Certificate file on the worker (PEM)", "A path, instead of the text above."),
    "ca_file": _text("CA file on the worker (PEM)", "A path, instead of the text above."),
    "encoding": _text("Encoding of names", "utf-8, or latin-1 for an old server.", default="utf-8"),
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, as Airflow's schema has it."""
    kinds = ("hooks", "operators", "sensors", "triggers")
    return {
        "package-name": "airflow-provider-icsftps",
        "name": "ICS FTPS gateway",
        "description": "File to the Danish customs systems ICS and Manifest through their FTPS gateway.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "ICS FTPS gateway",
                "external-doc-url": "https://skat.dk/",
                "tags": ["protocol"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "icsftps",
                "hook-class-name": "airflow_provider_icsftps.hooks.icsftps.IcsFtpsHook",
                "hook-name": "ICS FTPS gateway",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {"login": "Username", "host": "Host"},
                    "placeholders": {
                        "host": "empty: the environment's",
                        "port": "6381",
                        "login": "empty: from the certificate",
                        "password": "from the certificate portal",
                    },
                },
                "conn-fields": _FIELDS,
            }
        ],
        **{
            kind: [
                {
                    "integration-name": "ICS FTPS gateway",
                    "python-modules": [f"airflow_provider_icsftps.{kind}.icsftps"],
                }
            ]
            for kind in kinds
        },
    }
