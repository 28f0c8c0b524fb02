// One path of many spellings. The pairs were taken from Envoy 1.40 with normalize_path.

import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HttpConnectionManagerSchema } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { canonicalPath, compilePathNormalizer, type PathNormalizer } from './path-normalization.ts';

const normalizer = (json: Record<string, unknown>): PathNormalizer =>
  compilePathNormalizer(fromJson(HttpConnectionManagerSchema, json as JsonValue));
const normalize = normalizer({ normalize_path: true });
const pathOf = (path: string, by = normalize): string => by(path)?.path ?? path;

describe('normalize_path', () => {
  it.each([
    ['/a/../foo/./b//c%2e%2E/%2fd%41', '/foo/b//c../%2fdA'],
    ['/../..', '/'],
    ['/a%0', '/a%0'],
    ['/a\\b%5cc', '/a/b%5cc'],
    ['/a"<>\\^`{|}', '/a%22%3C%3E/%5E%60%7B%7C%7D'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/plain/path?q=/../x', '/plain/path?q=/../x'],
  ])('%s is %s', (path, expected) => {
    expect(pathOf(path)).toBe(expected);
  });

  it('refuses an escaped NUL', () => {
    expect(normalize('/a%00')?.outcome).toBe('reject');
  });

  it('comes to rest: normalizing twice changes nothing, and no dot segment is left', () => {
    const path = fc.array(
      fc.constantFrom('/', '.', '..', 'a', '%2e', '%2E%2e', '%2f', '%41', '\\', '%', '%5c', ' ', '~'),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(path, (parts) => {
        const once = canonicalPath(`/${parts.join('')}`)!;
        expect(once.split('/')).not.toContain('..');
        expect(once.split('/')).not.toContain('.');
        expect(once.startsWith('/')).toBe(true);
        expect(once.slice(0, 2) === '/\\').toBe(false);
      }),
    );
  });
});

describe('a fragment', () => {
  it.each([
    ['/a#b', '/a'],
    ['/a?b#c', '/a?b'],
    ['/a#b?c', '/a'],
    ['/a/../b#/../c', '/b'],
    ['/a%23b', '/a%23b'],
  ])('of %s is cut off: %s', (path, expected) => {
    expect(pathOf(path)).toBe(expected);
  });

  it('is cut off where nothing else is normalized', () => {
    const by = normalizer({});
    expect(by('/a//b?c#d')).toEqual({ outcome: 'ok', path: '/a//b?c' });
    expect(by('/a//b?c')).toBeUndefined();
  });
});

it('merge_slashes makes one slash of several, in the path only', () => {
  expect(pathOf('/a//b///c?x=//y', normalizer({ merge_slashes: true }))).toBe('/a/b/c?x=//y');
});

it.each([
  ['KEEP_UNCHANGED', { outcome: 'ok', path: '/a%2fb%5Cc' }],
  ['REJECT_REQUEST', { outcome: 'reject', path: '/a%2fb%5Cc' }],
  ['UNESCAPE_AND_REDIRECT', { outcome: 'redirect', path: '/a/b/c' }],
  ['UNESCAPE_AND_FORWARD', { outcome: 'ok', path: '/a/b/c' }],
])('path_with_escaped_slashes_action %s', (action, expected) => {
  const by = normalizer({ normalize_path: true, path_with_escaped_slashes_action: action });
  expect(by('/a%2fb%5Cc')).toEqual(expected);
});
