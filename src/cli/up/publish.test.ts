import { describe, expect, it } from 'vitest';
import { chooseNodePorts, choosePorts, parsePublish, type ServicePort, type TryPort } from './publish.ts';

const service = {
  name: 'istio-system/istio-ingressgateway',
  ports: [
    { name: 'http2', port: 80, targetPort: 8080 },
    { name: 'https', port: 443, targetPort: 8443 },
  ],
};
const machine = (probe: TryPort['probe']): TryPort => ({ probe, anyPort: async () => 23456 });
const free = machine(async () => undefined);

describe('--publish', () => {
  it('takes HOSTPORT:SERVICEPORT on 127.0.0.1, and an address of its own', () => {
    expect(parsePublish('8080:80')).toEqual({ address: '127.0.0.1', hostPort: 8080, servicePort: 80 });
    expect(parsePublish('0.0.0.0:0:443')).toEqual({ address: '0.0.0.0', hostPort: 0, servicePort: 443 });
    expect(parsePublish('[::1]:8080:80')).toEqual({ address: '::1', hostPort: 8080, servicePort: 80 });
  });

  it.each(['80', ':80', '80:', '80:0', '70000:80', '80:70000', 'a:b', '8080:80/tcp', '1:2:3:4'])(
    'refuses %s and shows the form',
    (text) => {
      expect(() => parsePublish(text)).toThrow('[ADDR:]HOSTPORT:SERVICEPORT');
    },
  );
});

describe('published ports', () => {
  it('are the Service ports under their own numbers when these are free', async () => {
    expect(await choosePorts(service, [], free)).toEqual([
      { name: 'http2', port: 80, targetPort: 8080, address: '127.0.0.1', hostPort: 80 },
      { name: 'https', port: 443, targetPort: 8443, address: '127.0.0.1', hostPort: 443 },
    ]);
  });

  it('move up by 8000 where the number is taken or needs privileges, and say so', async () => {
    const probe = async (_: string, port: number) => ({ 80: 'EADDRINUSE', 443: 'EACCES' })[port];
    const ports = await choosePorts(service, [], machine(probe));
    expect(ports.map(({ hostPort, note }) => [hostPort, note])).toEqual([
      [8080, 'port 80 is taken'],
      [8443, 'port 443 needs privileges'],
    ]);
  });

  it('move to any free port where number + 8000 is taken too', async () => {
    const ports = await choosePorts(
      service,
      [],
      machine(async (_, port) => (port === 443 ? undefined : 'EADDRINUSE')),
    );
    expect(ports.map(({ hostPort, note }) => [hostPort, note])).toEqual([
      [23456, 'port 80 is taken, and so is 8080'],
      [443, undefined],
    ]);
  });

  it('are only the requested ones when any was requested', async () => {
    expect(await choosePorts(service, [parsePublish('9000:80')], free)).toEqual([
      { name: 'http2', port: 80, targetPort: 8080, address: '127.0.0.1', hostPort: 9000 },
    ]);
  });

  it('that were requested and are taken are an error that names the port and what to do', async () => {
    await expect(
      choosePorts(
        service,
        [parsePublish('9000:80')],
        machine(async () => 'EADDRINUSE'),
      ),
    ).rejects.toThrow(/127\.0\.0\.1:9000 is taken.*publish on another port/);
  });

  it('of a Service port that does not exist are an error that lists those that do', async () => {
    await expect(choosePorts(service, [parsePublish('9000:81')], free)).rejects.toThrow('no port 81; it has 80, 443');
  });

  it('that may be any are one number for all pods', async () => {
    expect(await choosePorts(service, [parsePublish('0:80')], free)).toMatchObject([{ port: 80, hostPort: 23456 }]);
  });

  it('of nodes have their own number, or are not there', async () => {
    const [http, https] = service.ports.map((port, index) => ({ ...port, nodePort: 31380 + index }));
    const taken = machine(async (_, port) => (port === 31381 ? 'EADDRINUSE' : undefined));
    expect(await chooseNodePorts([http, https, ...service.ports] as ServicePort[], taken)).toEqual([
      { ...http, address: '127.0.0.1', hostPort: 31380, isNodePort: true },
    ]);
  });
});
