// Which protocol a port speaks, by Istio's explicit protocol selection.

/** The protocols that translation tells apart; the others are opaque TCP. */
export type Protocol = 'HTTP' | 'HTTP2' | 'GRPC' | 'GRPC-Web' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP' | 'unspecified';

const KNOWN = new Map<string, Protocol>([
  ['http', 'HTTP'],
  ['http_proxy', 'HTTP'],
  ['http2', 'HTTP2'],
  ['grpc', 'GRPC'],
  ['grpc-web', 'GRPC-Web'],
  ['https', 'HTTPS'],
  ['hbone', 'TCP'],
  ['tls', 'TLS'],
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['mongo', 'TCP'],
  ['mysql', 'TCP'],
  ['redis', 'TCP'],
]);

/** The protocol a Gateway's or ServiceEntry's `protocol` names, in any case of letters. */
export function parseProtocol(name: string): Protocol {
  return KNOWN.get(name.toLowerCase()) ?? 'unspecified';
}

/**
 * The protocol of a Service's port: `appProtocol`, else the name's first part (`http-admin`), else not specified.
 * https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
 */
export function protocolOfPort(port: { name?: string; protocol?: string; appProtocol?: string }): Protocol {
  if (port.protocol === 'UDP') return 'UDP';
  if (port.appProtocol === 'kubernetes.io/h2c') return 'HTTP2';
  if (port.appProtocol !== undefined && KNOWN.has(port.appProtocol.toLowerCase()))
    return parseProtocol(port.appProtocol);
  const name = port.name?.toLowerCase() ?? '';
  if (name === 'grpc-web' || name.startsWith('grpc-web-')) return 'GRPC-Web';
  return parseProtocol(name.split('-', 1)[0] as string);
}

/** Whether requests on it are HTTP in the clear. */
export function isHttp(protocol: Protocol): boolean {
  return protocol === 'HTTP' || protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
}

/** Whether upstream connections of it speak HTTP/2 from the first byte. */
export function isHttp2(protocol: Protocol): boolean {
  return protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
}
