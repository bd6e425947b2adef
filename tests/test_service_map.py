"""`wb.service_map`: the rules of `workbench.topology.calls`, one by one, then what holds for any spans."""

import networkx
import polars as pl
import pytest

import workbench as wb
from tests.literals import spans

MS = 10**6
S = 10**9


def edges(topology: wb.Topology) -> list[tuple[str, str, str, int, int]]:
    return topology.edges.select("source", "target", "protocol", "calls", "errors").rows()


def node(topology: wb.Topology, id_: str) -> dict:
    return topology.nodes.row(by_predicate=pl.col("id") == id_, named=True)


@pytest.fixture
def mapped(window_of):
    return lambda text, **limits: wb.service_map(window_of(spans(text), **limits))


# Rule 1: what arrives


def test_a_client_and_a_server_span_are_one_call_timed_by_the_caller(mapped):
    found = mapped("""
        web     GET /       0..90ms   server http_request_method=GET
          web   GET        10..80ms   client http_request_method=GET server_address=cart
            cart  GET /cart  20..70ms   server http_request_method=GET
    """)
    assert edges(found) == [("web", "cart", "http", 1, 0)]
    assert found.edges.select("p50_ms", "p95_ms", "p99_ms").row(0) == (70.0, 70.0, 70.0)
    assert node(found, "cart") | {"id": "cart", "p50_ms": 50.0, "calls": 1, "root_calls": 0} == node(found, "cart")
    assert node(found, "web") | {"calls": 1, "root_calls": 1, "p50_ms": 90.0} == node(found, "web")


def test_without_a_client_span_the_arriving_span_stands_for_the_call(mapped):
    found = mapped("""
        web     GET /   0..90ms  server
          cart  load   20..70ms
    """)
    assert edges(found) == [("web", "cart", "unknown", 1, 0)]
    assert found.edges["p50_ms"].to_list() == [50.0]


def test_a_second_server_span_of_the_same_request_does_not_arrive_again(mapped):
    found = mapped("""
        web     GET /        0..90ms  server
          web   GET         10..80ms  client
            cart  proxy     20..70ms  server
              cart  view    21..69ms
                cart  flask   22..68ms  server
    """)
    assert edges(found) == [("web", "cart", "unknown", 1, 0)]
    assert node(found, "cart")["calls"] == 1


def test_a_service_that_calls_itself_has_an_edge_to_itself(mapped):
    found = mapped("""
        web     GET /       0..90ms  server
          web   POST       10..80ms  client
            web   POST /in  20..70ms  server error
    """)
    assert edges(found) == [("web", "web", "unknown", 1, 1)]
    assert node(found, "web") | {"calls": 2, "root_calls": 1, "errors": 1} == node(found, "web")


def test_of_many_arriving_spans_below_one_client_span_the_server_span_counts(mapped):
    found = mapped("""
        web     GET /       0..90ms  server
          web   GET        10..80ms  client
            cart  before    12..13ms
            cart  GET /     20..70ms  server
            cart  after     71..72ms
    """)
    assert edges(found) == [("web", "cart", "unknown", 1, 0)]


def test_without_a_server_span_the_first_of_them_counts(mapped):
    found = mapped("""
        web     GET /       0..90ms  server
          web   GET        10..80ms  client
            cart  second    30..35ms
            cart  first     20..25ms
    """)
    assert edges(found) == [("web", "cart", "unknown", 1, 0)]
    assert node(found, "cart")["p50_ms"] == 5.0


# Rule 2: the client span


def test_internal_spans_between_are_looked_through(mapped):
    found = mapped("""
        web     GET /            0..90ms  server
          web   GET             10..80ms  client http_request_method=GET
            web   send          11..79ms
              web   socket      12..78ms
                cart  GET /     20..70ms  server
    """)
    assert edges(found) == [("web", "cart", "http", 1, 0)]
    assert found.edges["p50_ms"].to_list() == [70.0]


def test_a_chain_of_internal_spans_of_any_length_is_looked_through(window_of):
    middle = "\n".join(f"{' ' * (12 + n)}web  step  11..79ms" for n in range(300))
    text = f"          web  GET /  0..90ms server\n           web  GET  10..80ms client\n{middle}\n"
    found = wb.service_map(window_of(spans(text + " " * 400 + "cart  GET /  20..70ms server")))
    assert edges(found) == [("web", "cart", "unknown", 1, 0)]
    assert found.edges["p50_ms"].to_list() == [70.0]


@pytest.mark.parametrize(("client", "server", "errors"), [("", "", 0), ("error", "", 1), ("", "error", 1)])
def test_a_call_has_failed_if_either_side_says_so(mapped, client, server, errors):
    found = mapped(f"""
        web     GET /       0..90ms  server
          web   GET        10..80ms  client {client}
            cart  GET /     20..70ms  server {server}
    """)
    assert edges(found) == [("web", "cart", "unknown", 1, errors)]
    assert found.edges["error_ratio"].to_list() == [float(errors)]
    assert node(found, "cart")["errors"] == (1 if server else 0)  # as it saw it itself


# Rule 3: queues


QUEUE = """
    shop      POST /order    0..90ms  server
      shop    orders send   10..20ms  producer messaging_system=kafka messaging_destination_name=orders
        mail  orders do     50..80ms  consumer messaging_system=kafka messaging_destination_name=orders
        bill  orders do     60..70ms  consumer messaging_system=kafka messaging_destination_name=orders error
"""


def test_a_message_goes_to_the_queue_once_and_from_it_to_every_consumer(mapped):
    found = mapped(QUEUE)
    assert edges(found) == [
        ("queue:kafka/orders", "bill", "kafka", 1, 1),
        ("queue:kafka/orders", "mail", "kafka", 1, 0),
        ("shop", "queue:kafka/orders", "kafka", 1, 0),
    ]
    assert found.edges["asynchronous"].all()
    assert found.edges["p50_ms"].to_list() == [10.0, 30.0, 10.0]
    queue = {"kind": "queue", "name": "orders", "system": "kafka", "calls": 1, "errors": 0, "p50_ms": 10.0}
    assert node(found, "queue:kafka/orders") | queue == node(found, "queue:kafka/orders")


def test_a_consumer_that_only_links_to_its_producer_comes_from_the_same_queue(mapped):
    found = mapped("""
        shop    orders send    0..10ms  producer trace=a1 id=p1 messaging_system=redis messaging_destination_name=orders

        mail    orders do     50..80ms  consumer links=a1:p1
    """)
    assert edges(found) == [
        ("queue:redis/orders", "mail", "redis", 1, 0),
        ("shop", "queue:redis/orders", "redis", 1, 0),
    ]


def test_a_batch_with_links_to_two_producers_arrives_once(mapped):
    found = mapped("""
        shop    send    0..10ms  producer trace=a1 id=p1 messaging_system=redis messaging_destination_name=orders

        shop    send   20..30ms  producer trace=a2 id=p2 messaging_system=redis messaging_destination_name=orders

        mail    batch  50..80ms  consumer links=a2:p2,a1:p1
    """)
    assert edges(found) == [
        ("queue:redis/orders", "mail", "redis", 1, 0),
        ("shop", "queue:redis/orders", "redis", 2, 0),
    ]


def test_what_a_link_delivers_behind_the_windows_edge_is_no_call_that_nothing_answered(window_of):
    rows = spans("""
        shop    send    0..10ms  producer trace=a1 id=p1

        mail    do     50..80ms  consumer links=a1:p1
    """)
    before = wb.service_map(window_of(rows, end=20 * MS))
    assert edges(before) == []
    after = wb.service_map(window_of(rows, start=20 * MS))
    assert edges(after) == [("shop", "mail", "messaging", 1, 0)]


def test_where_no_queue_is_named_the_producers_service_is_the_source(mapped):
    found = mapped("""
        shop    send    0..10ms  producer
          mail  do     50..80ms  consumer
    """)
    assert edges(found) == [("shop", "mail", "messaging", 1, 0)]
    assert found.edges["asynchronous"].to_list() == [True]


def test_a_consumer_in_its_own_polling_loop_comes_from_the_queue_it_names(mapped):
    found = mapped("""
        mail      poll       0..90ms
          mail    orders     5..10ms  consumer messaging_system=kafka messaging_destination_name=orders
          mail    orders    20..30ms  consumer messaging_system=kafka messaging_destination_name=orders
    """)
    assert edges(found) == [("queue:kafka/orders", "mail", "kafka", 2, 0)]


# Rule 4: roots and orphans


def test_an_arrival_without_its_caller_is_an_orphan_and_not_a_root(mapped):
    found = mapped("""
        web     GET /   0..9ms  server

        cart    GET /   0..9ms  server parent=dead
          cart  work    1..2ms
        cart    work    1..2ms  parent=dead
    """)
    assert edges(found) == []
    assert node(found, "web") | {"root_calls": 1, "orphan_calls": 0, "calls": 1} == node(found, "web")
    assert node(found, "cart") | {"root_calls": 0, "orphan_calls": 1, "calls": 1} == node(found, "cart")


def test_a_span_that_names_itself_as_its_parent_is_a_root(mapped):
    found = mapped("web  GET /  0..9ms server id=a1 parent=a1")
    assert node(found, "web")["root_calls"] == 1


def test_a_cycle_of_parents_ends(mapped):
    found = mapped("""
        web   one   0..9ms  id=a1 parent=a3
        web   two   0..9ms  id=a2 parent=a1
        web   thr   0..9ms  id=a3 parent=a2
        cart  in    0..9ms  server id=a4 parent=a3
    """)
    assert edges(found) == [("web", "cart", "unknown", 1, 0)]


# Rule 5: calls that nothing answered


@pytest.mark.parametrize(
    ("words", "id_", "kind", "name", "protocol"),
    [
        ("peer_service=bank", "external:bank", "external", "bank", "unknown"),
        ("server_address=api.bank.example server_port=443", "external:api.bank.example", "external", None, "unknown"),
        ("server_address=bank server_port=8443", "external:bank:8443", "external", "bank:8443", "unknown"),
        ("server_address=bank http_request_method=GET", "external:bank", "external", "bank", "http"),
        ("server_address=bank rpc_system_name=grpc", "external:bank", "external", "bank", "grpc"),
        ("", "external:unnamed unknown", "external", "unnamed unknown", "unknown"),
        ("db_system_name=redis", "database:redis", "database", "redis", "redis"),
        (
            "db_system_name=postgresql db_namespace=shop server_address=pg server_port=5432",
            "database:postgresql/shop@pg:5432",
            "database",
            "postgresql shop",
            "postgresql",
        ),
        ("db_system_name=redis peer_service=cache", "database:redis@cache", "database", "redis cache", "redis"),
        (
            "db_system_name=redis server_address=127.0.0.1 server_port=6379 host_name=h1",
            "database:redis@h1/localhost:6379",
            "database",
            "redis localhost:6379",
            "redis",
        ),
    ],
)
def test_what_a_client_span_names_is_a_node_of_its_own(mapped, words, id_, kind, name, protocol):
    found = mapped(f"""
        web    GET /   0..90ms  server
          web  call   10..80ms  client error {words}
    """)
    assert edges(found) == [("web", id_, protocol, 1, 1)]
    there = node(found, id_)
    assert (there["kind"], there["name"]) == (kind, name or id_.partition(":")[2])
    assert there["calls"] == there["errors"] == 1
    assert there["p50_ms"] == 70.0


def test_loopback_addresses_are_one_node_per_host_however_they_are_written(mapped):
    found = mapped("""
        web    GET /   0..9ms  server
          web  call   1..2ms   client server_address=127.0.0.1 server_port=6379 db_system_name=redis host_name=h1
          web  call   2..3ms   client server_address=localhost server_port=6379 db_system_name=redis host_name=h1
          web  call   3..4ms   client server_address=::1 server_port=6379 db_system_name=redis host_name=h2
    """)
    assert edges(found) == [
        ("web", "database:redis@h1/localhost:6379", "redis", 2, 0),
        ("web", "database:redis@h2/localhost:6379", "redis", 1, 0),
    ]


def test_of_nested_client_spans_that_nobody_answered_the_outer_one_is_the_call(mapped):
    found = mapped("""
        web      GET /    0..90ms  server
          web    query   10..80ms  client db_system_name=elasticsearch server_address=es
            web  POST    11..79ms  client http_request_method=POST server_address=es
    """)
    assert edges(found) == [("web", "database:elasticsearch@es", "elasticsearch", 1, 0)]


def test_of_nested_client_spans_those_that_arrived_are_the_calls(mapped):
    found = mapped("""
        web        GET /    0..90ms  server
          web      retry   10..80ms  client
            web    try     11..20ms  client error
              cart  GET /  12..19ms  server error
            web    try     30..79ms  client
              cart  GET /  32..78ms  server
    """)
    assert edges(found) == [("web", "cart", "unknown", 2, 1)]


def test_nested_client_spans_to_different_addresses_are_different_calls(mapped):
    found = mapped("""
        web      GET /    0..90ms  server
          web    fetch   10..80ms  client server_address=a
            web  login   11..20ms  client server_address=b
    """)
    assert edges(found) == [("web", "external:a", "unknown", 1, 0), ("web", "external:b", "unknown", 1, 0)]


def test_an_unanswered_call_goes_to_who_answered_the_same_caller_there_before(mapped):
    found = mapped("""
        web     GET /    0..90ms  server
          web   GET     10..20ms  client server_address=cart.local server_port=8080
            cart  GET / 12..18ms  server
          web   GET     30..80ms  client error server_address=cart.local server_port=8080
    """)
    assert edges(found) == [("web", "cart", "unknown", 2, 1)]
    assert found.edges["unanswered_calls"].to_list() == [1]
    assert node(found, "cart") | {"calls": 2, "errors": 1, "unanswered_calls": 1, "p99_ms": 6.0} == node(found, "cart")


def test_an_unanswered_call_goes_to_the_service_that_its_peer_service_names(mapped):
    found = mapped("""
        web     GET /    0..90ms  server
          web   GET     10..20ms  client error peer_service=cart

        cart    GET /    0..9ms   server
    """)
    assert edges(found) == [("web", "cart", "unknown", 1, 1)]
    assert node(found, "cart") | {"calls": 2, "root_calls": 1, "unanswered_calls": 1} == node(found, "cart")


def test_an_address_that_two_services_answered_says_nothing(mapped):
    found = mapped("""
        web     GET /    0..90ms  server
          web   GET     10..20ms  client server_address=gateway
            cart  GET / 12..18ms  server
          web   GET     20..30ms  client server_address=gateway
            user  GET / 22..28ms  server
          web   GET     30..80ms  client error server_address=gateway
    """)
    assert edges(found) == [
        ("web", "cart", "unknown", 1, 0),
        ("web", "external:gateway", "unknown", 1, 1),
        ("web", "user", "unknown", 1, 0),
    ]


# Rule 6: the window


def test_a_call_belongs_to_the_window_in_which_it_starts_and_its_other_half_is_found(window_of):
    rows = spans("""
        web     GET /      -10..90s  server
          web   GET         -2..80s  client
            cart  GET /      1..70s  server
              cart  GET      2..60s  client
                stock  GET  20..50s  server
    """)
    before = wb.service_map(window_of(rows, start=-20 * S, end=0))
    middle = wb.service_map(window_of(rows, start=0, end=10 * S))
    after = wb.service_map(window_of(rows, start=10 * S, end=100 * S))
    assert edges(before) == [("web", "cart", "unknown", 1, 0)]
    assert edges(middle) == [("cart", "stock", "unknown", 1, 0)]
    assert edges(after) == []
    assert middle.edges["p50_ms"].to_list() == [58_000.0]
    assert node(before, "web")["root_calls"] == 1


def test_a_parent_up_to_a_quarter_of_an_hour_before_the_window_is_found(window_of):
    rows = spans("""
        web     GET /   -14m..1m  server
          cart  GET /     0..1s   server
    """)
    found = wb.service_map(window_of(rows, start=0, end=60 * S))
    assert edges(found) == [("web", "cart", "unknown", 1, 0)]
    assert node(found, "cart")["orphan_calls"] == 0
    assert node(found, "web")["calls"] == 0


# Repeated ids


def test_a_span_sent_twice_is_one_call(window_of):
    rows = spans("""
        web     GET /       0..90ms  server
          web   GET        10..80ms  client
            cart  GET /     20..70ms  server
    """)
    once, twice = wb.service_map(window_of(rows)), wb.service_map(window_of(rows, rows))
    assert edges(once) == edges(twice) == [("web", "cart", "unknown", 1, 0)]
    assert once.nodes.equals(twice.nodes)


def test_a_server_span_with_its_clients_id_is_one_call_and_its_children_are_its_own(mapped):
    found = mapped("""
        web     GET /    0..90ms  server id=a0
        web     GET     10..80ms  client id=a1 parent=a0
        cart    GET /   20..70ms  server id=a1 parent=a0
        cart    select  30..40ms  client id=a2 parent=a1 db_system_name=redis
    """)
    assert edges(found) == [("cart", "database:redis", "redis", 1, 0), ("web", "cart", "unknown", 1, 0)]
    assert found.edges.filter(target="cart")["p50_ms"].to_list() == [70.0]


# The answer


def test_percentiles_are_nearest_rank(mapped):
    calls = "\n".join(f"          cart  load  0..{n}ms  server" for n in range(1, 101))
    found = mapped(f"        web  GET /  0..900ms  server\n{calls}")
    assert found.edges.select("calls", "p50_ms", "p95_ms", "p99_ms").row(0) == (100, 50.0, 95.0, 99.0)


def test_spans_without_a_service_have_a_node_with_a_name(window_of):
    rows = spans("""
        none    GET /    0..90ms  server
          empty  load   10..20ms  server
    """)
    names = [{"none": None, "empty": ""}[name] for name in rows["service_name"].to_pylist()]
    rows = rows.set_column(rows.schema.get_field_index("service_name"), rows.schema.field("service_name"), [names])
    found = wb.service_map(window_of(rows))
    assert found.nodes["id"].to_list() == ["empty-service-name", "missing-service-name"]
    assert found.nodes["calls"].to_list() == [1, 1]


def test_an_empty_window_has_the_same_columns(window_of, mapped):
    empty, full = wb.service_map(window_of()), mapped(QUEUE)
    assert (empty.nodes.height, empty.edges.height) == (0, 0)
    assert empty.nodes.schema == full.nodes.schema
    assert empty.edges.schema == full.edges.schema


def test_the_graph_has_one_edge_per_protocol(mapped):
    found = mapped("""
        web     GET /    0..90ms  server
          web   GET     10..20ms  client http_request_method=GET
            cart  GET / 12..18ms  server
          web   Get     20..30ms  client rpc_system_name=grpc
            cart  Get   22..28ms  server error
    """)
    graph = found.graph()
    assert isinstance(graph, networkx.MultiDiGraph)
    assert sorted(graph.edges(keys=True)) == [("web", "cart", "grpc"), ("web", "cart", "http")]
    assert graph.edges["web", "cart", "grpc"] | {"calls": 1, "errors": 1} == graph.edges["web", "cart", "grpc"]
    assert graph.nodes["cart"]["kind"] == "service"


def test_an_asynchronous_edge_beside_a_synchronous_one_keeps_its_own_key(mapped):
    found = mapped("""
        web     GET /    0..90ms  server
          web   call    10..20ms  client messaging_system=kafka
            cart  in    12..18ms  server messaging_system=kafka
          web   send    20..30ms  producer messaging_system=kafka
            cart  do    22..28ms  consumer messaging_system=kafka
    """)
    assert sorted(found.graph().edges(keys=True)) == [
        ("web", "cart", "kafka"),
        ("web", "cart", "kafka asynchronous"),
    ]
