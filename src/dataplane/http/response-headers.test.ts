// The headers that every response gets, whatever upstream and route say.

import { fromJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { HeaderValueOptionSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { record } from '../access-log/example-records.ts';
import { applyHeaderMutation, compileHeaderMutation } from '../router/header-mutation.ts';
import { parseResponseHead } from './head-parser.ts';
import { HeaderList } from './header-list.ts';
import { completeResponseHeaders } from './response-headers.ts';

/** Names and values of a response from an upstream that a route has changed. */
function completed(lines: string, add: Readonly<Record<string, string>>, remove: readonly string[] = []): string[] {
  const { headers } = parseResponseHead(`HTTP/1.1 200 OK\r\n${lines}`, 100)!;
  const options = Object.entries(add).map(([key, value]) =>
    fromJson(HeaderValueOptionSchema, { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
  );
  const mutation = compileHeaderMutation(options, remove, 'response_headers');
  if (mutation !== undefined) applyHeaderMutation(mutation, headers, record());
  const rules = {
    alwaysSetRequestIdInResponse: false,
    serverHeader: 'overwrite',
    serverName: 'istio-envoy',
    via: '',
  } as const;
  completeResponseHeaders(headers, new HeaderList(), rules, 0);
  return headers.fields;
}

describe('a response has one server and one date', () => {
  it.each<[string, string, Record<string, string>, string[]]>([
    ['none comes', '', {}, ['date', 'Thu, 01 Jan 1970 00:00:00 GMT', 'server', 'istio-envoy']],
    ['the upstream sends them', 'Server: x\r\nDate: y\r\n', {}, ['server', 'istio-envoy', 'date', 'y']],
    ['the route sets them', '', { server: 'x', date: 'y' }, ['server', 'istio-envoy', 'date', 'y']],
    ['both do', 'Server: x\r\nDate: y\r\n', { server: 'z', date: 'z' }, ['server', 'istio-envoy', 'date', 'z']],
  ])('where %s', (_what, lines, add, expected) => {
    expect(completed(lines, { ...add })).toEqual(expected);
  });

  it('where the route removes what the upstream sends', () => {
    const fields = completed('Server: x\r\nDate: y\r\n', {}, ['server', 'date']);
    expect(fields).toEqual(['date', 'Thu, 01 Jan 1970 00:00:00 GMT', 'server', 'istio-envoy']);
  });
});
