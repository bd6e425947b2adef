"""Which attributes are columns of their own, because everyone filters by them; the value stays in the map too.

Column -> keys, the first one that is there wins. Later keys are names of older semantic conventions that much
instrumentation still sends.
"""

RESOURCE_PROMOTED: dict[str, tuple[str, ...]] = {
    "service_name": ("service.name",),
    "service_namespace": ("service.namespace",),
    "service_version": ("service.version",),
    "service_instance_id": ("service.instance.id",),
    "host_name": ("host.name",),
    "host_id": ("host.id",),
    "container_id": ("container.id",),
    "process_pid": ("process.pid",),
    "k8s_pod_name": ("k8s.pod.name",),
    "k8s_namespace_name": ("k8s.namespace.name",),
    "deployment_environment_name": ("deployment.environment.name", "deployment.environment"),
}
SPAN_PROMOTED: dict[str, tuple[str, ...]] = {
    "thread_id": ("thread.id",),
    "http_request_method": ("http.request.method", "http.method"),
    "http_route": ("http.route",),
    "http_response_status_code": ("http.response.status_code", "http.status_code"),
    "url_path": ("url.path", "http.target"),
    "rpc_system_name": ("rpc.system.name", "rpc.system"),
    "rpc_service": ("rpc.service",),
    "rpc_method": ("rpc.method",),
    "db_system_name": ("db.system.name", "db.system"),
    "db_namespace": ("db.namespace", "db.name"),
    "db_query_text": ("db.query.text", "db.statement"),
    "messaging_system": ("messaging.system",),
    "messaging_destination_name": ("messaging.destination.name", "messaging.destination"),
    "server_address": ("server.address", "net.peer.name"),
    "server_port": ("server.port", "net.peer.port"),
    "peer_service": ("service.peer.name", "peer.service"),
    "error_type": ("error.type",),
}
LOG_PROMOTED: dict[str, tuple[str, ...]] = {
    "thread_id": ("thread.id",),
    "exception_type": ("exception.type",),
    "code_function_name": ("code.function.name", "code.function"),
    "http_route": ("http.route",),
}
POINT_PROMOTED: dict[str, tuple[str, ...]] = {
    "thread_id": ("thread.id",),
    "http_route": ("http.route",),
}
INTEGERS = {"process_pid", "thread_id", "http_response_status_code", "server_port"}  # promoted columns that are numbers
