"""Lists of instruments that are longer than one record of the journal: planned in parts, then carried out whole.

Nothing of a plan is listed before its last part is written down; from then on all of it is going to be, whatever
happens. There is one plan at a time: the first part of another takes the place of one that is not whole.
"""

import msgspec

from exchange.registry.documents import CatalogueListed, CataloguePlanEnded, CataloguePlanned
from exchange.registry.refusals import DocumentRefusal

PLAN_ROWS_MAX = 1_000_000
NAME_CHARACTERS_MAX = 64


class CataloguePlan(msgspec.Struct):
    """The plan as far as it is known."""

    name: str
    parts: list[CataloguePlanned] = msgspec.field(default_factory=list)
    row_count: int = 0

    @property
    def is_whole(self) -> bool:
        """Return whether the last part is there: it is being carried out."""
        return bool(self.parts) and self.parts[-1].is_last

    @property
    def listings(self) -> list[CatalogueListed]:
        """Return what is to be listed, in order."""
        return [part.listed for part in self.parts]


def refuse_plan(plan: CataloguePlan | None, document: CataloguePlanned | CataloguePlanEnded) -> DocumentRefusal | None:
    """Return why a document about a plan cannot be the next one, None if it can."""
    is_whole = plan is not None and plan.is_whole
    if isinstance(document, CataloguePlanEnded):
        return None if is_whole else DocumentRefusal.INDEX_NOT_NEXT
    is_same = plan is not None and plan.name == document.name
    known = plan if is_same else None
    if is_whole or document.part != (0 if known is None else len(known.parts)):
        return DocumentRefusal.INDEX_NOT_NEXT
    row_count = (0 if known is None else known.row_count) + len(document.listed.rows)
    is_long = row_count > PLAN_ROWS_MAX or len(document.name) > NAME_CHARACTERS_MAX
    return DocumentRefusal.TOO_LONG if is_long else None


def planned(plan: CataloguePlan | None, document: CataloguePlanned | CataloguePlanEnded) -> CataloguePlan | None:
    """Return the plan after a document that was not refused."""
    if isinstance(document, CataloguePlanEnded):
        return None
    if plan is None or document.part == 0:
        plan = CataloguePlan(document.name)
    plan.parts.append(document)
    plan.row_count += len(document.listed.rows)
    return plan
