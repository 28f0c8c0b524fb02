import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { InstancePort, InstanceProxy } from '../../instance.ts';
import { tellPorts } from './tell.ts';

const port = (number: number, more: Partial<InstancePort> = {}): InstancePort => ({
  ...{ address: '127.0.0.1', port: number, servicePort: number, portName: 'http' },
  ...more,
});
const proxy = (workload: string, ...published: InstancePort[]): InstanceProxy => ({
  ...{ workload, namespace: 'shop', pod: workload, nodeId: '', ip: '127.0.0.2', admin: '' },
  published,
});

let told: string[];
let tell: (proxies: readonly InstanceProxy[]) => void;
beforeEach(() => {
  told = [];
  tell = tellPorts(
    pino({ level: 'info' }, { write: (line) => void told.push((JSON.parse(line) as { msg: string }).msg) }),
  );
  tell([proxy('first', port(80))]);
});

describe('the log of published ports', () => {
  it('says nothing of those that the banner has', () => {
    tell([proxy('first', port(80))]);
    expect(told).toEqual([]);
  });

  it('says where a gateway is reached, once for all of its pods', () => {
    tell([
      proxy('first', port(80)),
      proxy('mine', port(8080, { servicePort: 80 }), port(31400, { portName: '31400' })),
    ]);
    tell([
      proxy('first', port(80)),
      proxy('mine', port(8080, { servicePort: 80 }), port(31400, { portName: '31400' })),
    ]);
    tell([
      proxy('first', port(80)),
      proxy('mine', port(8080, { servicePort: 80 }), port(31400, { portName: '31400' })),
      proxy('mine'),
    ]);
    expect(told).toEqual([
      'mine.shop is published: 127.0.0.1:8080 → Service port 80 (http); 127.0.0.1:31400 → Service port 31400',
    ]);
  });

  it('says it again when the ports are others, and when it was gone', () => {
    tell([proxy('first', port(81))]);
    tell([]);
    tell([proxy('first', port(81))]);
    const text = 'first.shop is published: 127.0.0.1:81 → Service port 81 (http)';
    expect(told).toEqual([text, text]);
  });

  it('says that a gateway has none any more, and nothing of one that never had any', () => {
    tell([proxy('first'), proxy('second')]);
    tell([proxy('first'), proxy('second')]);
    expect(told).toEqual(['first.shop is no longer published']);
  });

  it('leaves a node port out where the Service port itself is reached', () => {
    const nodePort = port(31380, { servicePort: 80, isNodePort: true });
    tell([proxy('both', port(80), nodePort), proxy('alone', nodePort)]);
    expect(told).toEqual([
      'both.shop is published: 127.0.0.1:80 → Service port 80 (http)',
      'alone.shop is published: 127.0.0.1:31380 → Service port 80 (http)',
    ]);
  });
});
