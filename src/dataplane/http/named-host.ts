// The host of an upstream that a request itself names, for clusters that go by that.

import type { RequestHosts } from '../upstream/cluster.ts';
import type { Host } from '../upstream/cluster-set.ts';
import type { HttpRequest } from './http-request.ts';
import { dnsResolutionFailed, emptyHost, type LocalReply, noHealthyUpstream } from './local-reply.ts';

/** What is done with the host. Called at once, or later where DNS is asked. */
export interface NamedHostHandler {
  found(host: Host): void;
  /** There is none. @param reply what the client is told */
  none(reply: LocalReply): void;
  /** A fault of ours, in what `found` led to. */
  failed(error: unknown): void;
}

/** Finds the host that a request names to a cluster: by its authority (dynamic forward proxy), or by a header (original destination). */
export function hostNamedBy(request: HttpRequest, { header, hosts }: RequestHosts, handler: NamedHostHandler): void {
  const name = header === '' ? request.authority : (request.headers.get(header) ?? '');
  if (name === '') {
    handler.none(header === '' ? emptyHost() : noHealthyUpstream());
    return;
  }
  const host = hosts.hostOf(name);
  if (!(host instanceof Promise)) {
    handler.found(host);
    return;
  }
  host
    .then(
      (each) => handler.found(each),
      ({ code = 'no_address' }: NodeJS.ErrnoException) => handler.none(dnsResolutionFailed(code)),
    )
    // It costs the request, never the process.
    .catch((error: unknown) => handler.failed(error));
}
