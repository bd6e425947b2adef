"""What every row of a request has in common: resource, scope, time of receipt, and who ran it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.formats.otlp.attributes import Attributes, attributes
from workbench.formats.otlp.columns import Repairs, parents_of, repeated, small_count
from workbench.lake.schema import RESOURCE_PROMOTED


class Context:
    """Resource and scope of every leaf (span, record, metric) of a nested batch.

    `leaves` are the leaf structs; `columns()` gives the columns they share, one value per leaf.
    """

    def __init__(self, batch: pa.RecordBatch, top: str, middle: str, leaf: str, received: np.ndarray) -> None:
        lists = batch.column(top)
        groups = lists.flatten()
        scope_lists = groups.field(middle)
        self._scopes = scope_lists.flatten()
        leaf_lists = self._scopes.field(leaf)
        self.leaves = leaf_lists.flatten()
        self._groups = groups
        self._scope_of = parents_of(leaf_lists)
        self._group_of = parents_of(scope_lists)[self._scope_of]
        self.payload_of = parents_of(lists)[self._group_of]
        self._received = received[self.payload_of]
        resource = groups.field("resource")
        self._resource = attributes(resource.field("attributes"))
        self._scope = attributes(self._scopes.field("scope").field("attributes"))

    def columns(self, take: np.ndarray | None = None) -> dict[str, pa.Array]:
        """Shared columns of every leaf, or of the leaves at positions `take` (a metric has many points)."""
        group_of = self._group_of if take is None else self._group_of[take]
        scope_of = self._scope_of if take is None else self._scope_of[take]
        resource, scope = self._groups.field("resource"), self._scopes.field("scope")
        of_group = {
            **self._resource.promoted(RESOURCE_PROMOTED),
            "resource_attribute_types": self._resource.types(),
            "resource_dropped_attributes": small_count(resource.field("dropped_attributes_count")),
            "resource_schema_url": self._groups.field("schema_url"),
        }
        of_scope = {
            "scope_name": pc.fill_null(scope.field("name"), ""),
            "scope_version": pc.fill_null(scope.field("version"), ""),
            "scope_attribute_types": self._scope.types(),
            "scope_dropped_attributes": small_count(scope.field("dropped_attributes_count")),
            "scope_schema_url": self._scopes.field("schema_url"),
        }
        shared = {
            "resource_attributes": self._resource.of(group_of).maps(),
            "scope_attributes": self._scope.of(scope_of).maps(),
        }
        for columns, of in ((of_group, pa.array(group_of)), (of_scope, pa.array(scope_of))):
            shared |= {name: repeated(column, of) for name, column in columns.items()}
        shared["received_time_unix_nano"] = pa.array(self.received(take))
        return shared

    def received(self, take: np.ndarray | None = None) -> np.ndarray:
        """Time of receipt per leaf, ns."""
        times: np.ndarray = self._received if take is None else self._received[take]
        return times

    def repair(self, repairs: Repairs, take: np.ndarray | None = None) -> None:
        """Mark the rows whose resource or scope was repaired."""
        for found, of in ((self._resource, self._group_of), (self._scope, self._scope_of)):
            for word, rows in found.repaired.items():
                repairs.mark(word, np.isin(of if take is None else of[take], rows))


def mark(repairs: Repairs, found: Attributes, of: np.ndarray | None = None) -> None:
    """Mark rows whose own attributes (or, with `of`, whose children's) were repaired."""
    for word, rows in found.repaired.items():
        repairs.mark(word, rows if of is None else of[rows])
