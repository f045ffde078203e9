"""The table of faults in docs/operations.md is what a run measured, and has every fault of it."""

from tests.faults.measured import BEGIN, DOCUMENT, END, FAULTS, read, table


def test_the_document_shows_what_was_measured() -> None:
    shown = DOCUMENT.read_text("utf-8").split(BEGIN)[1].split(END)[0]

    assert shown.strip() == table(read())


def test_every_fault_has_a_measured_row() -> None:
    assert read().keys() == FAULTS.keys()
