// Where our proxy answers otherwise than Envoy, and why. An entry that no longer holds fails the suite, like a difference that is not here.

/** A known difference. */
export interface KnownDifference {
  /** Why it is there. `bug: …` is to be mended. */
  readonly reason: string;
  /** `section / configuration / row` of each row that shows it. */
  readonly rows: readonly string[];
  /** Exactly the fields that differ by it. */
  readonly fields: readonly string[];
}

export const DIFFERENCES: readonly KnownDifference[] = [
  {
    reason: "the system's resolver says why a name is unknown, with its code; Envoy has c-ares and its words",
    rows: [
      'sidecar / other hosts / a name that DNS does not know',
      'sidecar / other hosts / a tunnel to a name that DNS does not know',
    ],
    fields: ['log[0].response_code_details'],
  },
  {
    reason:
      'stricter: a request with two Host headers must be answered with 400 (RFC 9112, 3.2); Envoy joins them with a comma',
    rows: ['http1 / malformed requests / two hosts'],
    fields: [
      'connection',
      'log[0].authority',
      'log[0].bytes_sent',
      'log[0].method',
      'log[0].path',
      'log[0].request_id',
      'log[0].response_code',
      'log[0].response_code_details',
      'log[0].response_flags',
      'log[0].x_forwarded_for',
      'responses[0].body',
      'responses[0].headers.connection',
      'responses[0].headers.content-length',
      'responses[0].headers.content-type',
      'responses[0].start',
    ],
  },
  {
    reason:
      'stricter: what RFC 9112 (2.2, 5.2) allows to refuse is refused, since proxies that read it differently are how requests are smuggled',
    rows: [
      'http1 / malformed requests / a folded header',
      'http1 / malformed requests / a bare CR',
      'http1 / malformed requests / bare LFs',
    ],
    fields: [
      'attempts[0]',
      'connection',
      'log[0].authority',
      'log[0].bytes_sent',
      'log[0].method',
      'log[0].path',
      'log[0].request_id',
      'log[0].response_code',
      'log[0].response_code_details',
      'log[0].response_flags',
      'log[0].upstream_cluster',
      'log[0].upstream_host',
      'log[0].upstream_local_address',
      'log[0].upstream_service_time',
      'log[0].x_forwarded_for',
      'responses[0].body',
      'responses[0].headers.connection',
      'responses[0].headers.content-length',
      'responses[0].headers.x-envoy-upstream-service-time',
      'responses[0].start',
    ],
  },
  {
    reason: 'stricter: bytes between a chunk and the next are no chunk (RFC 9112, 7.1); Envoy passes over them',
    rows: ['http1 / malformed requests / a chunk longer than it says'],
    fields: [
      'attempts[0]',
      'connection',
      'log[0].bytes_sent',
      'log[0].response_code',
      'log[0].response_code_details',
      'log[0].response_flags',
      'log[0].upstream_local_address',
      'log[0].upstream_service_time',
      'responses[0].body',
      'responses[0].headers.connection',
      'responses[0].headers.content-length',
      'responses[0].headers.x-envoy-upstream-service-time',
      'responses[0].start',
    ],
  },
  {
    reason:
      'Envoy leaves the ClientHello in the socket until there is an upstream, so that its close is a reset; ours has read it and closes in good order',
    rows: ['tcp / PASSTHROUGH / an upstream that refuses'],
    fields: ['connection'],
  },
  {
    reason:
      "OpenSSL has one switch for the order of all cipher suites: the server's counts in TLS 1.3 as well, where Envoy lets the client choose",
    rows: ['tls / SIMPLE / TLS 1.3 and a client that likes AES of 256 bits better'],
    fields: ['tls.cipher'],
  },
  {
    reason:
      'Node verifies client certificates after the handshake and can send no alert then: the connection is closed instead',
    rows: [
      'tls / MUTUAL / a certificate of another CA',
      'tls / MUTUAL / a certificate of another CA with TLS 1.2',
      'tls / OPTIONAL_MUTUAL / a certificate of another CA',
      'tls / MUTUAL with subjectAltNames / another name',
    ],
    fields: ['connection'],
  },
  {
    reason:
      "stricter: a reset amid a body up to the connection's end has cut it short (RFC 9112, 8); Envoy takes it for complete",
    rows: ["upstream-faults / connections that end too early / a reset amid a body up to the connection's end"],
    fields: ['connection', 'log[0].response_code_details', 'log[0].response_flags', 'responses[0].complete'],
  },
  {
    reason: 'stricter: hop-by-hop headers end here (RFC 9110, 7.6.1), of interim responses too; Envoy leaves some',
    rows: ['upstream-faults / framing of responses / 102 before the response'],
    fields: ['responses[0].headers.keep-alive'],
  },
  {
    reason:
      'a refused upgrade that names what the upstream would take (RFC 9110, 15.5.22) is an answer like any other; Envoy takes it for the beginning of a tunnel and leaves the client waiting',
    rows: ['http1 / upgrades / websocket refused for another protocol'],
    fields: [
      'connection',
      'log[0].bytes_received',
      'log[0].response_code_details',
      'log[0].response_flags',
      'responses[0].headers.connection',
      'responses[0].headers.upgrade',
    ],
  },
  {
    reason: 'stricter: an upstream that switches protocols unasked has nobody to speak to; Envoy passes the 101 on',
    rows: ['upstream-faults / framing of responses / 101 without being asked'],
    fields: [
      'log[0].bytes_sent',
      'log[0].response_code',
      'log[0].response_code_details',
      'log[0].response_flags',
      'log[0].upstream_service_time',
      'responses[0].body',
      'responses[0].headers.content-length',
      'responses[0].headers.content-type',
      'responses[0].headers.x-envoy-upstream-service-time',
      'responses[0].start',
    ],
  },
];
