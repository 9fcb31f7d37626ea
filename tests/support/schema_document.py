"""docs/schema.md as data: what it says about each relation, and a database built from it alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.md"

TYPES = {
    "varchar": "character varying",
    "varchar(100)": "character varying(100)",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
}


@dataclass(frozen=True)
class Column:
    """One row of a relation's table."""

    name: str
    type: str  # as format_type() writes it
    nullable: bool
    default: str | None
    refers_to: str | None  # the table of a documented foreign key


@dataclass
class Relation:
    """One `####` section."""

    name: str
    columns: list[Column] = field(default_factory=list)
    indexes: list[tuple[str, ...]] = field(default_factory=list)
    uniques: list[tuple[str, ...]] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    trigger: str | None = None
    is_view: bool = False


def relations() -> list[Relation]:
    """Every documented relation, in the document's order."""
    text = DOCUMENT.read_text(encoding="utf-8").split("## Key Architectural Patterns")[0]
    return [_relation(section) for section in text.split("\n#### ")[1:]]


def _relation(section: str) -> Relation:
    name = re.match(r"`(\w+)`", section)
    assert name, section
    relation = Relation(name[1])
    for cells in _rows(section):
        if len(cells) == 3:
            relation.columns.append(
                Column(cells[0], TYPES.get(cells[1], cells[1]), True, None, None)
            )
            continue
        column, kind, nullable, default, description = cells
        reference = re.match(r"FK to (\w+)", description)
        relation.columns.append(
            Column(
                name=column,
                type=TYPES.get(kind, kind),
                nullable={"YES": True, "NO": False}[nullable],
                default=None if default in ("-", "null") else default,
                refers_to=reference[1] if reference else None,
            )
        )
    for kind, listed in re.findall(
        r"^- (Primary key|Unique|Index) on `([^`]+)`", section, re.MULTILINE
    ):
        columns = tuple(listed.split(", "))
        if kind == "Primary key":
            relation.primary_key = columns
        elif kind == "Unique":
            relation.uniques.append(columns)
        else:
            relation.indexes.append(columns)
    trigger = re.search(r"^\*\*Trigger:\*\* `(\w+)\(\)`", section, re.MULTILINE)
    relation.trigger = trigger[1] if trigger else None
    relation.is_view = "**Type:** Materialized View" in section
    return relation


def _rows(section: str) -> Iterator[list[str]]:
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "Column" and not cells[0].startswith("-"):
            yield cells


def ddl() -> list[str]:
    """Statements that make the documented tables without anything that this project adds."""
    statements = []
    references = []
    for relation in relations():
        if relation.is_view:
            continue
        lines = [
            f"{column.name} {column.type}"
            + (f" default {_expression(column.default)}" if column.default else "")
            + ("" if column.nullable else " not null")
            for column in relation.columns
        ]
        lines.append(f"primary key ({', '.join(relation.primary_key)})")
        lines += [f"unique ({', '.join(columns)})" for columns in relation.uniques]
        statements.append(f"create table {relation.name} ({', '.join(lines)})")
        statements += [
            f"create index idx_{relation.name}_{'_'.join(columns)} on {relation.name}"
            f" ({', '.join(columns)})"
            for columns in relation.indexes
        ]
        references += [
            f"alter table {relation.name} add foreign key ({column.name})"
            f" references {column.refers_to} (id)"
            for column in relation.columns
            if column.refers_to
        ]
    return statements + references


def _expression(default: str) -> str:
    return {
        "now() + 7 days": "now() + interval '7 days'",
        "uuid_generate_v4()": "gen_random_uuid()",
    }.get(default, default)
