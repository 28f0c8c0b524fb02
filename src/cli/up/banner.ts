// What `limen up` prints when it is ready: which port leads where, and a line to try.

import type { PublishedPort } from './publish.ts';

/** A request that something answers. */
export interface TryLine {
  host: string;
  path: string;
  /** `namespace/name` of the VirtualService that routes it. */
  virtualService: string;
}

/** A gateway, and where it is reached. */
export interface PublishedGateway {
  /** `istio-ingressgateway.istio-system` */
  name: string;
  /** How many share the ports. */
  pods: number;
  published: readonly (PublishedPort & { open: boolean })[];
}

/** What there is to say. */
export interface Banner {
  version: string;
  gateways: readonly PublishedGateway[];
  tries: readonly TryLine[];
  /** The path of the kubeconfig. */
  kubeconfig: string;
  /** What the shell's `~` stands for; '' where nobody knows. */
  userHome: string;
  /** How many the files have. The store of a home holds others too, from run to run: what the API and controllers made. */
  objects: number;
  readyMs: number;
}

/** The banner as text, ending in the `Ready in N ms` line. `color`: ANSI. */
export function formatBanner(banner: Banner, color: boolean): string {
  const bold = (text: string) => (color ? `\u001b[1m${text}\u001b[0m` : text);
  const dim = (text: string) => (color ? `\u001b[2m${text}\u001b[0m` : text);
  const green = (text: string) => (color ? `\u001b[32m${text}\u001b[0m` : text);
  const lines = [
    '',
    `${bold('Limen')} ${banner.version}  ${dim(`${banner.objects} ${banner.objects === 1 ? 'object' : 'objects'} from files`)}`,
  ];
  const all = banner.gateways.flatMap(({ published }) => published);
  const nameWidth = Math.max(...all.map((port) => port.name.length), 0);
  const addressWidth = Math.max(...all.map((port) => addressOf(port).length), 0);
  for (const { name, pods, published } of banner.gateways) {
    const count = pods > 1 ? `${pods} pods` : undefined;
    const heading = [count, published.length === 0 ? 'no published ports' : undefined].filter(
      (text) => text !== undefined,
    );
    lines.push('', `  ${bold(name)}${heading.length === 0 ? '' : dim(`  (${heading.join('; ')})`)}`);
    for (const port of published) {
      const chain = `${port.isNodePort ? `node port ${port.hostPort} → ` : ''}Service port ${port.port} → listener ${port.targetPort}`;
      const notes = [port.note, port.open ? undefined : 'no listener yet'].filter((text) => text !== undefined);
      const address = addressOf(port).padEnd(addressWidth);
      lines.push(
        `    ${port.name.padEnd(nameWidth)}  ${port.open ? address : dim(address)}  ${dim(chain + (notes.length === 0 ? '' : `  (${notes.join('; ')})`))}`,
      );
    }
  }
  if (banner.gateways.length === 0) lines.push('', '  no gateway runs');
  const http = all.find((port) => port.targetPort === 8080 && port.open);
  if (http !== undefined && banner.tries.length > 0) {
    lines.push('', `  ${bold('Try')}`);
    for (const { host, path } of banner.tries) lines.push(`    ${curlLine(host, path, http)}`);
  }
  lines.push('', `  ${bold('kubectl')}`, `    export KUBECONFIG=${shellPath(banner.kubeconfig, banner.userHome)}`);
  lines.push('', green(`Ready in ${Math.round(banner.readyMs)} ms`), '');
  return lines.join('\n');
}

function addressOf({ address, hostPort }: PublishedPort): string {
  return `${address.includes(':') ? `[${address}]` : address}:${hostPort}`;
}

/** The curl command for a host and path through a published port. */
export function curlLine(host: string, path: string, port: PublishedPort): string {
  const authority = port.hostPort === 80 ? port.address : addressOf(port);
  return host === '*' ? `curl http://${authority}${path}` : `curl -H "Host: ${host}" http://${authority}${path}`;
}

/** A path as a shell reads it back, below `~` where it can be. */
function shellPath(path: string, userHome: string): string {
  const below = userHome !== '' && path.startsWith(`${userHome}/`) ? `~${path.slice(userHome.length)}` : path;
  return shellWord(below) === below ? below : shellWord(path); // in quotes a shell would not expand it
}

/** A word as a shell reads it back. */
function shellWord(text: string): string {
  return /^[\w./~:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
