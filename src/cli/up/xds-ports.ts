// Where `limen up` serves xDS: a loopback port that a home keeps from one start to the next, and over TLS wherever it is asked for.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { AdsServer } from '../../xds/server.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../host-port.ts';
import { readServerTls, type ServerTlsFlags } from '../xds-tls-files.ts';

export interface XdsPortFlags extends ServerTlsFlags {
  /** `[host:]port` */
  xdsPort?: string;
}

/** The port of the run before: a proxy that was started by hand finds its control plane again. */
const FILE = 'xds-port';

/**
 * Listens.
 *
 * Not on Istio's 15010 by default: of two instances, the one that starts first would have it, and the proxies of the other would take
 * the wrong configuration. A port that each home keeps is as steady, and nobody else's.
 * @returns `host:port` in plain text, on loopback: for this instance's own data plane and what else runs on this machine
 * @throws Error for the user: the port is taken, not loopback without TLS, or a file is not what it should be
 */
export async function listenForXds(server: AdsServer, flags: XdsPortFlags, home: string, log: Logger): Promise<string> {
  const tls = readServerTls(flags);
  const asked = flags.xdsPort === undefined ? undefined : parseXdsPort(flags.xdsPort);
  if (tls === undefined) return asked === undefined ? listenAsBefore(server, home, log) : listen(server, asked);
  if (asked === undefined)
    throw new Error('--xds-cert, --xds-key: expected with --xds-port [ADDRESS:]PORT, where TLS is to be served');
  const port = await server.listen(formatHostPort(asked), { tls });
  const mutual = tls.clientAuthorities !== undefined;
  const address = formatHostPort({ host: asked.host, port });
  if (mutual) log.info({ address, mutual }, 'xDS over TLS');
  else
    log.warn(
      { address },
      'xDS over TLS: private keys of gateways go to whoever connects; --xds-client-ca asks for certificates',
    );
  return listenAsBefore(server, home, log);
}

/** @throws Error that says what was expected */
function parseXdsPort(text: string): HostPort {
  return parseHostPort(/^\d+$/.test(text) ? `127.0.0.1:${text}` : text, '--xds-port');
}

async function listen(server: AdsServer, address: HostPort): Promise<string> {
  try {
    return formatHostPort({ host: address.host, port: await server.listen(formatHostPort(address)) });
  } catch (error) {
    throw new Error(`--xds-port: ${(error as Error).message}`);
  }
}

async function listenAsBefore(server: AdsServer, home: string, log: Logger): Promise<string> {
  const file = join(home, FILE);
  const before = portIn(file);
  if (before !== undefined) {
    try {
      return await listen(server, { host: '127.0.0.1', port: before });
    } catch {
      log.warn({ port: before }, 'the xDS port of the run before is taken: proxies started by hand need the new one');
    }
  }
  const address = await listen(server, { host: '127.0.0.1', port: 0 });
  writeFileSync(file, `${parseHostPort(address, '').port}\n`, { mode: 0o600 });
  return address;
}

function portIn(file: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
  const port = Number(text);
  return /^[1-9]\d{0,4}$/.test(text) && port <= 65535 ? port : undefined;
}
