"""What is on show in the face explorer, as a line of text: the notebook's and the page's (page/state.js) are one."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode


@dataclass(frozen=True)
class State:
    """Names of attributes, in the order of the data: those asked for, those of the face to compare with; and more.

    person   the drawn person who is changed, counted from 1; None: the face of the labels alone
    strip    the attribute that is led from off to on
    """

    labels: tuple[str, ...]
    before: tuple[str, ...]
    person: int | None
    strip: str

    @property
    def address(self):
        """Such as labels=No_Beard,Smiling&person=2&before=No_Beard&strip=Smiling; the page has it behind its #."""
        words = {"labels": ",".join(self.labels)}
        if self.person is not None:
            words["person"] = self.person
        if self.before != self.labels:
            words["before"] = ",".join(self.before)
        return urlencode(words | {"strip": self.strip}, safe=",")


def read(address, names, people):
    """The State of an address, where there are `people` people. Raises ValueError for what does not fit."""
    words = dict(parse_qsl(address.rpartition("#")[2], keep_blank_values=True))
    if "labels" not in words:
        raise ValueError(f"{address!r} is no address of a face: labels=... is missing")
    words.setdefault("before", words["labels"])
    lists = {key: [name for name in words[key].split(",") if name] for key in ("labels", "before")}
    strip = words.get("strip", names[0])
    for name in (*lists["labels"], *lists["before"], strip):
        if name not in names:
            raise ValueError(f"the address names {name!r}, which is no attribute here")
    person = words.get("person")
    if person is not None and person not in map(str, range(1, people + 1)):
        raise ValueError(f"the address asks for person {person}; there are 1 to {people}")
    labels, before = (tuple(name for name in names if name in lists[key]) for key in ("labels", "before"))
    return State(labels, before, person and int(person), strip)
