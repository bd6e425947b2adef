// Sends one trace, two log records and five metrics through every official OTLP exporter of Node: gRPC, HTTP with JSON,
// HTTP with protobuf. Usage: node interop_node.js GRPC HTTP  (addresses HOST:PORT); the packages lie in ./node_modules.
const { createRequire } = require("node:module");
const need = createRequire(`${process.cwd()}/`); // the packages are beside the caller, not beside this file
const { SpanKind, SpanStatusCode, TraceFlags, ValueType } = need("@opentelemetry/api");
const { SeverityNumber } = need("@opentelemetry/api-logs");
const { resourceFromAttributes } = need("@opentelemetry/resources");
const { BasicTracerProvider, SimpleSpanProcessor } = need("@opentelemetry/sdk-trace-base");
const { LoggerProvider, SimpleLogRecordProcessor } = need("@opentelemetry/sdk-logs");
const metrics = need("@opentelemetry/sdk-metrics");

const [grpc, http] = process.argv.slice(2);
const at = { grpc: () => `http://${grpc}`, http: (path) => `http://${http}${path}`, proto: (path) => `http://${http}${path}` };
const exporter = (signal, kind, name) => {
  const { [name]: Exporter } = need(`@opentelemetry/exporter-${signal}-otlp-${kind}`);
  const path = { trace: "/v1/traces", logs: "/v1/logs", metrics: "/v1/metrics" }[signal];
  return new Exporter({ url: at[kind](path), compression: kind === "grpc" ? undefined : "gzip" });
};

const plain = {
  text: "naïve ☃", "no text": "", yes: true, no: false, whole: 42, negative: -7, large: 9007199254740991, half: 0.5,
  small: -1.5e-7, texts: ["a", "b"], wholes: [1, 2], halves: [0.5, 1.5], bools: [true, false], nothing: [],
};
const nested = { ...plain, bytes: new Uint8Array([0, 255, 7]), map: { a: { b: [1, "x"] }, c: 0.5 } };

async function send(kind) {
  const resource = resourceFromAttributes({ "service.name": `node-${kind}`, "process.pid": 77, ...plain });

  const tracers = new BasicTracerProvider({
    resource, spanProcessors: [new SimpleSpanProcessor(exporter("trace", kind, "OTLPTraceExporter"))],
  });
  const other = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: TraceFlags.SAMPLED };
  const span = tracers.getTracer("interop", "1.0").startSpan("GET /cart/{id}", {
    kind: SpanKind.SERVER, attributes: plain, startTime: [1_800_000_000, 123_456_789],
    links: [{ context: other, attributes: plain }],
  });
  span.addEvent("found", plain, [1_800_000_000, 200_000_000]);
  span.setStatus({ code: SpanStatusCode.ERROR, message: "out of stock" });
  span.end([1_800_000_001, 987_654_321]);

  const loggers = new LoggerProvider({
    resource, processors: [new SimpleLogRecordProcessor({ exporter: exporter("logs", kind, "OTLPLogExporter") })],
  });
  const logger = loggers.getLogger("interop", "1.0");
  const record = {
    severityNumber: SeverityNumber.WARN, severityText: "warning", attributes: nested, eventName: "cart.empty",
    timestamp: [1_800_000_000, 123_456_789], observedTimestamp: [1_800_000_000, 123_456_790],
  };
  logger.emit({ ...record, body: "the cart is empty" });
  logger.emit({ ...record, body: nested });

  const reader = new metrics.PeriodicExportingMetricReader({
    exporter: exporter("metrics", kind, "OTLPMetricExporter"), exportIntervalMillis: 3_600_000,
  });
  const exponential = { type: metrics.AggregationType.EXPONENTIAL_HISTOGRAM };
  const meters = new metrics.MeterProvider({
    resource, readers: [reader], views: [{ instrumentName: "exponential", aggregation: exponential }],
  });
  const meter = meters.getMeter("interop", "1.0");
  const order = { unit: "{order}", description: "orders placed", valueType: ValueType.INT };
  meter.createCounter("orders", order).add(3, plain);
  meter.createUpDownCounter("waiting").add(-2, plain);
  meter.createGauge("temperature", { unit: "Cel" }).record(21.5, plain);
  const histogram = meter.createHistogram("duration", { unit: "s", advice: { explicitBucketBoundaries: [1, 2] } });
  for (const value of [0.5, 1.5, 4]) histogram.record(value, plain);
  for (const value of [1, 2, 4, 8]) meter.createHistogram("exponential").record(value, plain);

  await Promise.all([tracers.forceFlush(), loggers.forceFlush()]);
  await Promise.all([ // the last one exports too: flushing before would send every point twice
    tracers.shutdown(), loggers.shutdown(), meters.shutdown(),
  ]);
}

(async () => {
  for (const kind of ["grpc", "http", "proto"]) await send(kind);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
