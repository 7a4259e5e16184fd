"""What a journal says of earlier tries, and that a damaged entry stops a filing with a named error."""

from __future__ import annotations

import pytest
from state_store import KEY, StateStore

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import Journal, Transfer
from airflow_provider_icsftps.operators._journal import TaskJournal

KEY_OF_FILING = "0123456789abcdef"
NAME, CONTENT = f"a-{KEY_OF_FILING}.xml", "0" * 64
DAMAGED = [
    {},
    {"sha256": CONTENT},
    {"transfer": "sent"},
    {"sha256": CONTENT, "transfer": "half of it"},
    {"sha256": CONTENT, "transfer": None},
    "confirmed",
    7,
]


@pytest.mark.parametrize("complete", [True, False])
def test_what_was_noted_is_known_and_nothing_else_is_made_up(complete):
    journal = Journal(complete=complete)
    nothing = Transfer.NONE if complete else Transfer.KILLED
    assert (journal.knows(NAME, CONTENT), journal.transfer(NAME, CONTENT)) == (False, nothing)
    journal.note(NAME, CONTENT, Transfer.SENT)
    assert (journal.knows(NAME, CONTENT), journal.transfer(NAME, CONTENT)) == (True, Transfer.SENT)
    assert (journal.knows(NAME, "1" * 64), journal.transfer(NAME, "1" * 64)) == (False, nothing)


def test_a_name_that_was_refused_was_not_sent():
    """Else a name of the user's own choosing would stand for this content, whoever filed under it."""
    journal = Journal()
    journal.note(NAME, CONTENT, Transfer.NONE)
    assert (journal.knows(NAME, CONTENT), journal.transfer(NAME, CONTENT)) == (False, Transfer.NONE)


def test_a_later_try_reads_what_an_earlier_one_noted():
    store = StateStore()
    TaskJournal(store, 1).note(NAME, CONTENT, Transfer.CONFIRMED)
    assert TaskJournal(store, 2).transfer(NAME, CONTENT) is Transfer.CONFIRMED


def test_every_name_has_a_key_of_its_own_that_needs_no_quotes_in_a_url():
    """Airflow 3.3.0 does not quote keys: what follows ``#`` or ``?`` is lost there, and a ``/`` leads elsewhere."""
    names = [*(f"a{c}.xml" for c in ("", " ", "#b", "#c", "?", "%20", "~", "æ", "\ud800")), "ø" * 200]
    store = StateStore()
    for name in names:
        TaskJournal(store, 1).note(name, CONTENT, Transfer.SENT)
    keys = [key for key in store if key != "icsftps"]
    assert len(keys) == len(names)
    assert [key for key in keys if not KEY.fullmatch(key)] == []
    assert "icsftps.a.xml" in keys
    assert all(TaskJournal(store, 2).transfer(name, CONTENT) is Transfer.SENT for name in names)


@pytest.mark.parametrize("entry", DAMAGED, ids=str)
def test_a_damaged_entry_is_neither_believed_nor_passed_over(entry):
    """To take it for none would send under a name that may have been used."""
    store = StateStore()
    TaskJournal(store, 1).note(NAME, CONTENT, Transfer.SENT)
    (key,) = (key for key in store if NAME in key)
    store[key] = entry
    for ask in (TaskJournal(store, 2).transfer, TaskJournal(store, 2).knows):
        with pytest.raises(ConfigurationError, match=rf"{NAME}: .* are expected.*nothing was sent\. .*resubmission"):
            ask(NAME, CONTENT)


def test_a_filing_keeps_what_the_first_try_called_it():
    store = StateStore()
    assert TaskJournal(store, 1).first_called(KEY_OF_FILING, "a.xml") == "a.xml"
    assert TaskJournal(store, 2).first_called(KEY_OF_FILING, "b.xml") == "a.xml"
    assert TaskJournal(store, 2).first_called("f" * 16, "b.xml") == "b.xml"
    assert TaskJournal(store, 3).transfer(KEY_OF_FILING, CONTENT) is Transfer.NONE  # a file may be called like a key


@pytest.mark.parametrize("entry", [{}, "a.xml", 7], ids=str)
def test_a_damaged_entry_of_a_filing_is_told(entry):
    store = StateStore()
    TaskJournal(store, 1).first_called(KEY_OF_FILING, "a.xml")
    (key,) = (key for key in store if key != "icsftps")
    store[key] = entry
    with pytest.raises(
        ConfigurationError, match=rf"filing {KEY_OF_FILING}: source_name is expected.*raise resubmission"
    ):
        TaskJournal(store, 2).first_called(KEY_OF_FILING, "a.xml")
