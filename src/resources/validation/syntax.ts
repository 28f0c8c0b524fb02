// Checks of values that several kinds have: ports, durations, names, labels, regular expressions, header names, exportTo.

import { RE2JS } from 're2js';
import { parseDuration } from '../duration.ts';
import type { FieldPath } from '../field-path.ts';
import { error, type Finding } from '../finding.ts';
import { isFqdn } from '../hosts.ts';
import { isDnsLabel } from '../names.ts';

/** Istio's protocols of a port, in lower case. https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/ */
const PROTOCOLS = [
  'http',
  'https',
  'grpc',
  'grpc-web',
  'http2',
  'mongo',
  'tcp',
  'tls',
  'mysql',
  'redis',
  'udp',
  'hbone',
];
const HTTP_PROTOCOLS = new Set(['http', 'http2', 'grpc', 'grpc-web']);

/** What a port's `protocol` means for its listener. */
export type ProtocolClass = 'http' | 'tls' | 'tcp' | 'unknown';

/** The class of a protocol name; HTTPS and TLS are both `tls`. Case does not count. */
export function protocolClass(protocol: string): ProtocolClass {
  const name = protocol.toLowerCase();
  if (HTTP_PROTOCOLS.has(name)) return 'http';
  if (name === 'https' || name === 'tls') return 'tls';
  return PROTOCOLS.includes(name) ? 'tcp' : 'unknown';
}

/** A port number is 1 to 65535. */
export function checkPort(path: FieldPath, port: unknown): Finding[] {
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535;
  return isPort ? [] : [error(path, `${String(port)} is no port number`, 'a port is a number from 1 to 65535')];
}

/** The name of a port of a ServiceEntry: a DNS label. */
export function checkPortName(path: FieldPath, name: string): Finding[] {
  return isDnsLabel(name) ? [] : [error(path, `"${name}" is no port name`, 'at most 63 of a-z, 0-9 and "-"')];
}

/** A duration as Istio's API takes it (`1h`, `1.5s`, `1m30s`), at least one millisecond. */
export function checkDuration(path: FieldPath, text: unknown, options: { zero?: boolean } = {}): Finding[] {
  const milliseconds = typeof text === 'string' ? parseDuration(text) : undefined;
  if (milliseconds === undefined)
    return [error(path, `${JSON.stringify(text)} is no duration`, 'a number with its unit: 500ms, 1.5s, 1m30s, 1h')];
  if (milliseconds === 0 && options.zero === true) return [];
  if (milliseconds < 1) return [error(path, `${JSON.stringify(text)} is shorter than a millisecond`, 'at least 1ms')];
  return [];
}

/** A percentage of which four decimals count: less than the last of them would be none at all. */
export function checkPercent(value: number | undefined, path: FieldPath): Finding[] {
  if (value === undefined || value === 0 || (value >= 0.0001 && value <= 100)) return [];
  const hint = value > 0 && value < 0.0001 ? '0, or a number from 0.0001 to 100' : 'a number from 0 to 100';
  return [error(path, `${value} is no percentage`, hint)];
}

/** The longest regular expression Istio takes, in characters. */
const MAX_REGEX_LENGTH = 1024;

/** A regular expression that RE2 can compile. The message says where the mistake stands. */
export function checkRegex(path: FieldPath, regex: string): Finding[] {
  if (regex === '') return [error(path, 'the regular expression is empty', 'use ".*" for anything')];
  if (regex.length > MAX_REGEX_LENGTH)
    return [
      error(path, `the regular expression has ${regex.length} characters`, `Istio takes at most ${MAX_REGEX_LENGTH}`),
    ];
  try {
    RE2JS.compile(regex);
    return [];
  } catch (cause) {
    const reason = (cause as Error).message.replace(/^error parsing regexp: /, '');
    const special = /\(\?[=!<]|\\[1-9]/.test(regex) ? ' RE2 has no lookaround and no backreferences.' : '';
    return [
      error(
        path,
        `bad regular expression ${JSON.stringify(regex)}: ${reason}`,
        `RE2 syntax: https://github.com/google/re2/wiki/Syntax.${special}`,
      ),
    ];
  }
}

/** The three ways of `StringMatch`; the schema has seen to it that at most one is there. */
export interface StringMatch {
  exact?: string;
  prefix?: string;
  regex?: string;
}

/** The regular expression of a match, when it has one. */
export function checkStringMatch(path: FieldPath, match: StringMatch | undefined): Finding[] {
  return match?.regex === undefined ? [] : checkRegex([...path, 'regex'], match.regex);
}

/** Header field names are tokens. RFC 9110 section 5.1, 5.6.2 */
export function isHeaderName(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name);
}

/** A name in a list of Gateways: `name`, `namespace/name`, or `mesh`. */
export function checkGatewayNames(path: FieldPath, names: readonly string[] | undefined): Finding[] {
  return (names ?? []).flatMap((name, index) => {
    const parts = name.split('/');
    const isGood = parts.length === 1 ? isFqdn(name) : parts.length === 2 && parts.every(isDnsLabel);
    return isGood ? [] : [error([...path, index], `"${name}" is no Gateway name`, 'write "name" or "namespace/name"')];
  });
}

/** `exportTo`: no doubles, and `*` or `~` only alone. */
export function checkExportTo(exportTo: readonly string[] | undefined, options: { none?: boolean } = {}): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of (exportTo ?? []).entries()) {
    const path = ['spec', 'exportTo', index];
    const isKnown = entry === '*' || entry === '.' || (entry === '~' && options.none === true) || isDnsLabel(entry);
    if (!isKnown)
      findings.push(error(path, `"${entry}" is no namespace`, 'a namespace, "." for this one, or "*" for all'));
    else if (seen.has(entry)) findings.push(error(path, `"${entry}" stands twice`, 'delete one'));
    else if ((entry === '*' || entry === '~') && exportTo!.length > 1)
      findings.push(error(path, `"${entry}" cannot stand beside others`, `keep "${entry}" alone, or delete it`));
    seen.add(entry);
  }
  return findings;
}

const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const LABEL_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** Labels and label selectors. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
export function checkLabels(path: FieldPath, labels: Readonly<Record<string, string>> | undefined): Finding[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => {
    const slash = key.indexOf('/');
    const name = key.slice(slash + 1);
    if (name.length > 63 || !LABEL_NAME.test(name) || (slash >= 0 && !isFqdn(key.slice(0, slash))))
      return [
        error(
          [...path, key],
          `"${key}" is no label name`,
          'at most 63 letters, digits, "-", "_" and ".", after an optional "domain/"',
        ),
      ];
    if (value.length > 63 || !LABEL_VALUE.test(value))
      return [
        error(
          [...path, key],
          `"${value}" is no label value`,
          'at most 63 letters, digits, "-", "_" and ".", starting and ending with a letter or digit',
        ),
      ];
    return [];
  });
}
