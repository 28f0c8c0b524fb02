// What a gRPC client is told when the gateway itself answers.

import { describe, expect, it } from 'vitest';
import { grpcReply, isGrpcRequest } from './grpc-reply.ts';
import { HeaderList } from './header-list.ts';
import { localReply } from './local-reply.ts';

describe('a request is gRPC', () => {
  it.each([
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['application/grpc;x=y', false],
    ['application/grpc-web', false],
    ['Application/gRPC', false],
    ['text/plain', false],
    [undefined, false],
  ])('with content-type %s: %s', (type, grpc) => {
    const headers = new HeaderList();
    if (type !== undefined) headers.add('content-type', type);
    expect(isGrpcRequest(headers)).toBe(grpc);
  });
});

describe('a local reply to a gRPC request', () => {
  it('is 200 with the status and the message among the headers', () => {
    const body = 'no healthy upstream';
    const reply = grpcReply(localReply(503, 'no_healthy_upstream', { body }), body);
    expect([reply.status, reply.body, reply.details]).toEqual([200, '', 'no_healthy_upstream']);
    expect(reply.headers.fields).toEqual([
      'content-type',
      'application/grpc',
      'grpc-status',
      '14',
      'grpc-message',
      'no healthy upstream',
    ]);
  });

  it.each([
    [400, '13'],
    [401, '16'],
    [403, '7'],
    [404, '12'],
    [413, '2'],
    [429, '14'],
    [504, '14'],
    [200, '2'],
  ])('of %d has grpc-status %s', (status, expected) => {
    expect(grpcReply(localReply(status, 'x'), '').headers.get('grpc-status')).toBe(expected);
  });

  it('keeps the grpc-status that the route sets', () => {
    const reply = localReply(418, 'direct_response');
    reply.headers.add('grpc-status', '5');
    expect(grpcReply(reply, '').headers.get('grpc-status')).toBe('5');
  });

  it('percent-encodes what cannot stand in grpc-message', () => {
    expect(grpcReply(localReply(500, 'x'), 'a b%~\né').headers.get('grpc-message')).toBe('a b%25%7E%0A%C3%A9');
  });
});
