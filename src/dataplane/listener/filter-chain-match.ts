// Which filter chain takes a connection: Envoy's order of criteria, the most specific value of each one deciding.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchainmatch

import { BlockList, isIPv6 } from 'node:net';
import type { CidrRange } from '../../xds/gen/envoy/config/core/v3/address_pb.js';
import {
  type FilterChainMatch,
  FilterChainMatch_ConnectionSourceType as SourceType,
} from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ConfigError } from '../connection.ts';

/** What is known of a connection before a filter chain is chosen. */
export interface ConnectionFacts {
  /** Of the listener, as configured. */
  readonly localPort: number;
  readonly localIp: string;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** The SNI in lower case; '' where there is none. */
  readonly serverName: string;
  readonly transportProtocol: 'tls' | 'raw_buffer';
  /** ALPN as offered. */
  readonly applicationProtocols: readonly string[];
}

/** Finds the chain for a connection; undefined where none matches. */
export type ChainMatcher<Chain> = (facts: ConnectionFacts) => Chain | undefined;

/** One criterion. */
interface Level {
  /** The values of a chain's match; none: any value does. */
  keys(match: FilterChainMatch): readonly string[];
  /** The most specific of the given values that fits the connection, or undefined. */
  select(values: ReadonlyMap<string, unknown>, facts: ConnectionFacts): string | undefined;
}

/** The key of "any value does". No criterion has an empty value. */
const ANY = '';

/** Envoy's order. There is no way back: once a value was chosen, chains with less specific values are out of the game. */
const LEVELS: readonly Level[] = [
  {
    keys: (match) => (match.destinationPort === undefined ? [] : [String(match.destinationPort)]),
    select: (_values, facts) => String(facts.localPort),
  },
  cidrLevel(
    (match) => match.prefixRanges,
    (facts) => facts.localIp,
  ),
  {
    keys: (match) => match.serverNames.map((name) => name.toLowerCase()),
    select: selectServerName,
  },
  {
    keys: (match) => (match.transportProtocol === '' ? [] : [match.transportProtocol]),
    select: (_values, facts) => facts.transportProtocol,
  },
  {
    keys: (match) => match.applicationProtocols,
    select: (values, facts) => facts.applicationProtocols.find((protocol) => values.has(protocol)),
  },
  cidrLevel(
    (match) => match.directSourcePrefixRanges,
    (facts) => facts.remoteIp,
  ),
  {
    keys: (match) => (match.sourceType === SourceType.ANY ? [] : [String(match.sourceType)]),
    select: (_values, facts) => String(isSameHost(facts) ? SourceType.SAME_IP_OR_LOOPBACK : SourceType.EXTERNAL),
  },
  cidrLevel(
    (match) => match.sourcePrefixRanges,
    (facts) => facts.remoteIp,
  ),
  {
    keys: (match) => match.sourcePorts.map(String),
    select: (_values, facts) => String(facts.remotePort),
  },
];

type Node<Chain> = Map<string, Node<Chain> | Chain>;

/**
 * Compiles the matches of a listener's chains into one tree, a level per criterion: finding a chain costs nine look-ups however many chains there are.
 * @param chains the match (undefined: takes every connection) and what to find
 * @throws ConfigError when two chains match the same connections
 */
export function compileChainMatch<Chain extends object>(
  chains: readonly { readonly match: FilterChainMatch | undefined; readonly field: string; readonly chain: Chain }[],
  empty: FilterChainMatch,
): ChainMatcher<Chain> {
  const root: Node<Chain> = new Map();
  const fieldOf = new Map<Chain, string>();
  for (const { match = empty, field, chain } of chains) {
    rejectUnsupported(match, field);
    fieldOf.set(chain, field);
    insert(root, 0, match, chain, (other) => {
      throw new ConfigError(
        `${field}.filter_chain_match: the same connections are matched by ${fieldOf.get(other)}; make their criteria differ`,
      );
    });
  }
  return (facts) => {
    let node: Node<Chain> | Chain | undefined = root;
    for (const level of LEVELS) {
      const values = node as Node<Chain>;
      const key = values.size === 1 && values.has(ANY) ? ANY : level.select(values, facts);
      node = (key === undefined ? undefined : values.get(key)) ?? values.get(ANY);
      if (node === undefined) return undefined;
    }
    return node as Chain;
  };
}

function insert<Chain extends object>(
  node: Node<Chain>,
  depth: number,
  match: FilterChainMatch,
  chain: Chain,
  onConflict: (other: Chain) => never,
): void {
  const keys = LEVELS[depth]!.keys(match);
  for (const key of keys.length === 0 ? [ANY] : new Set(keys)) {
    if (depth === LEVELS.length - 1) {
      const other = node.get(key) as Chain | undefined;
      if (other !== undefined) onConflict(other);
      node.set(key, chain);
      continue;
    }
    let next = node.get(key) as Node<Chain> | undefined;
    if (next === undefined) {
      next = new Map();
      node.set(key, next);
    }
    insert(next, depth + 1, match, chain, onConflict);
  }
}

/** `www.example.com`, then `*.example.com`, then `*.com`. */
function selectServerName(values: ReadonlyMap<string, unknown>, { serverName }: ConnectionFacts): string | undefined {
  if (serverName === '') return undefined;
  if (values.has(serverName)) return serverName;
  for (let dot = serverName.indexOf('.'); dot !== -1; dot = serverName.indexOf('.', dot + 1)) {
    const wildcard = `*${serverName.slice(dot)}`;
    if (values.has(wildcard)) return wildcard;
  }
  return undefined;
}

function cidrLevel(
  ranges: (match: FilterChainMatch) => readonly CidrRange[],
  ip: (facts: ConnectionFacts) => string,
): Level {
  return {
    keys: (match) => ranges(match).map(cidrKey),
    select(values, facts) {
      let best: string | undefined;
      for (const key of values.keys()) {
        if (key === ANY || !cidrContains(key, ip(facts))) continue;
        if (best === undefined || prefixLength(key) > prefixLength(best)) best = key;
      }
      return best;
    },
  };
}

function cidrKey({ addressPrefix, prefixLen }: CidrRange): string {
  const key = `${addressPrefix}/${prefixLen ?? 0}`;
  try {
    blockListOf(key);
  } catch {
    throw new ConfigError(`filter_chain_match: ${key}, expected an IP address and a prefix length that fits it`);
  }
  return key;
}

const prefixLength = (key: string) => Number(key.slice(key.indexOf('/') + 1));

// Parsed once each; as many as there are different ranges in configurations.
const blockLists = new Map<string, BlockList>();

function blockListOf(key: string): BlockList {
  let list = blockLists.get(key);
  if (list === undefined) {
    const [address = '', length] = key.split('/');
    list = new BlockList();
    list.addSubnet(address, Number(length), isIPv6(address) ? 'ipv6' : 'ipv4');
    blockLists.set(key, list);
  }
  return list;
}

function cidrContains(key: string, ip: string): boolean {
  return blockListOf(key).check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
}

function isSameHost({ localIp, remoteIp }: ConnectionFacts): boolean {
  return remoteIp === localIp || remoteIp === '::1' || remoteIp.startsWith('127.');
}

function rejectUnsupported(match: FilterChainMatch, field: string): void {
  if (match.addressSuffix !== '' || match.suffixLen !== undefined)
    throw new ConfigError(`${field}.filter_chain_match.address_suffix: not supported (nor is it by Envoy)`);
  if (!['', 'tls', 'raw_buffer'].includes(match.transportProtocol))
    throw new ConfigError(
      `${field}.filter_chain_match.transport_protocol: '${match.transportProtocol}', expected tls or raw_buffer`,
    );
  // https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto: "*w.example.com are invalid", "* is not supported"
  const wrong = match.serverNames.find((name) => name === '' || (name.includes('*') && !/^\*\.[^*]+$/.test(name)));
  if (wrong !== undefined)
    throw new ConfigError(
      `${field}.filter_chain_match.server_names: '${wrong}', expected a name or *.suffix; leave server_names out to match all`,
    );
}

/** Whether the criteria need what only a ClientHello tells. */
export function needsTlsInspection(match: FilterChainMatch | undefined): boolean {
  return (
    match !== undefined &&
    (match.serverNames.length > 0 || match.transportProtocol !== '' || match.applicationProtocols.length > 0)
  );
}
