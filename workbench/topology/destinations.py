"""What does an outgoing span name as the other side, and which node of a service map is that?

By the semantic conventions, the first that fits: a queue (`messaging.*`), a database (`db.*`), else the peer service or
server address. One node per queue (system and destination), per database (system, namespace and address; the statement
plays no part) and per address. Loopback addresses are one address per host.
"""

from dataclasses import dataclass

from workbench.lake import Window
from workbench.topology.span_tree import SpanTree, first_starts

# The same list, in the same order, is hashed in workbench.topology.span_tree.
DESTINATIONS = """
select distinct
    hash(
        peer_service, db_system_name, db_namespace, messaging_system, messaging_destination_name, rpc_system_name,
        server_address, server_port, http_request_method is not null,
        case when server_address in ('localhost', '127.0.0.1', '::1', '[::1]') then host_name end
    ) as destination_key,
    peer_service, db_system_name, db_namespace, messaging_system, messaging_destination_name, rpc_system_name,
    server_address, server_port, http_request_method is not null as http,
    case when server_address in ('localhost', '127.0.0.1', '::1', '[::1]') then host_name end as loopback_host
from spans_around
where start_time_unix_nano between $first and $last
  and start_time_unix_nano in (select unnest(cast($starts as bigint[])))
order by destination_key
"""
LOOPBACK = {"localhost", "127.0.0.1", "::1", "[::1]"}
USUAL_PORTS = {None, 0, 80, 443}


@dataclass(frozen=True)
class Node:
    """A node of the map; `system` is the kind of database or queue, None for others."""

    id: str
    kind: str
    name: str
    system: str | None = None


@dataclass(frozen=True)
class Destination:
    """What a span says about the other side of a call."""

    node: Node  # where the call goes, should nobody there have sent spans
    protocol: str  # http, grpc, postgresql, kafka, ...; unknown
    address: str | None  # host, as far as it is told: two nested spans with different ones are two calls
    port: int | None
    peer_service: str | None

    @property
    def queue(self) -> bool:
        """Whether messages go through a queue that has a name."""
        return self.node.kind == "queue"


def destinations(window: Window, tree: SpanTree) -> dict[int, Destination]:
    """Every destination that spans around the window name, by its key."""
    rows = window.sql(DESTINATIONS, **first_starts(tree.destination_key, tree.start)).iter_rows(named=True)
    return {row.pop("destination_key"): _destination(**row) for row in rows}


def _destination(
    *,
    peer_service: str | None,
    db_system_name: str | None,
    db_namespace: str | None,
    messaging_system: str | None,
    messaging_destination_name: str | None,
    rpc_system_name: str | None,
    server_address: str | None,
    server_port: int | None,
    http: bool,
    loopback_host: str | None,
) -> Destination:
    address = server_address or None
    if address in LOOPBACK:
        address = f"{loopback_host}/localhost" if loopback_host else "localhost"
    shown = "localhost" if server_address in LOOPBACK else address
    if messaging_destination_name:
        system = messaging_system or "messaging"
        queue = Node(f"queue:{system}/{messaging_destination_name}", "queue", messaging_destination_name, system)
        return Destination(queue, system, address, server_port, None)
    if db_system_name:
        at = _with_port(address, server_port) or peer_service
        name = " ".join(filter(None, [db_system_name, db_namespace or _with_port(shown, server_port) or peer_service]))
        place = "".join([f"/{db_namespace}" if db_namespace else "", f"@{at}" if at else ""])
        database = Node(f"database:{db_system_name}{place}", "database", name, db_system_name)
        return Destination(database, db_system_name, address, server_port, None)
    protocol = messaging_system or rpc_system_name or ("http" if http else "unknown")
    port = None if server_port in USUAL_PORTS else server_port
    name = peer_service or _with_port(shown, port) or f"unnamed {protocol}"
    node = Node(f"external:{peer_service or _with_port(address, port) or f'unnamed {protocol}'}", "external", name)
    return Destination(node, protocol, address, server_port, peer_service or None)


def _with_port(address: str | None, port: int | None) -> str | None:
    return f"{address}:{port}" if address and port else address
