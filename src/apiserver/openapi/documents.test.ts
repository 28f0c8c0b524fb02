import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../../test/walkthroughs/tools.ts';
import { type Kind, STATUS, VERBS } from '../../resources/kinds/kind.ts';
import { KINDS } from '../../resources/kinds.ts';
import { OBJECT_FIELDS } from '../../resources/openapi/definitions.ts';
import { aggregatedDiscovery } from '../discovery/discovery.ts';
import { openApiV2, openApiV3, openApiV3Index } from './documents.ts';

interface Document {
  paths: Record<string, Record<string, { parameters: { name: string }[]; 'x-kubernetes-group-version-kind': object }>>;
  components: { schemas: Record<string, object> };
  definitions: Record<string, object>;
}

const JSON_SCHEMA = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';

/** A kind as a CustomResourceDefinition brings it. */
function widget(field: string): Kind {
  return {
    name: 'Widget',
    group: 'example.com',
    versions: ['v1'],
    plural: 'widgets',
    singular: 'widget',
    shortNames: [],
    categories: [],
    namespaced: true,
    verbs: VERBS,
    subresources: [STATUS],
    schemas: new Map([
      [
        'v1',
        {
          type: 'object',
          description: 'A widget of the shop.',
          properties: { ...OBJECT_FIELDS, [field]: { type: 'string', description: 'How it looks.' } },
          'x-kubernetes-group-version-kind': [{ group: 'example.com', version: 'v1', kind: 'Widget' }],
        },
      ],
    ]),
  };
}

/** Every definition that a document refers to and does not have. */
function dangling(document: object, prefix: string, names: readonly string[]): string[] {
  const referred = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, name]) => name!);
  return [...new Set(referred)].filter((name) => !names.includes(name.slice(prefix.length)));
}

describe('the OpenAPI documents', () => {
  it('have an index whose addresses change with what they lead to', () => {
    const { paths } = openApiV3Index(KINDS, '1.0.0') as { paths: Record<string, { serverRelativeURL: string }> };
    expect(Object.keys(paths)).toContain('api/v1');
    expect(paths['apis/networking.istio.io/v1']?.serverRelativeURL).toMatch(
      /^\/openapi\/v3\/apis\/networking\.istio\.io\/v1\?hash=[0-9A-F]{64}$/,
    );
    expect(openApiV3Index(KINDS, '1.0.0')).toEqual(openApiV3Index(KINDS, '1.0.0'));
    expect(openApiV3Index([widget('color')], '1.0.0')).not.toEqual(openApiV3Index([widget('colour')], '1.0.0'));
  });

  it('have one for each group and version that is complete in itself', () => {
    for (const kind of KINDS)
      for (const version of kind.versions) {
        const document = openApiV3(KINDS, kind.group, version) as Document;
        const names = Object.keys(document.components.schemas);
        expect(dangling(document, '#/components/schemas/', names), `${kind.group}/${version}`).toEqual([]);
      }
    expect(openApiV3(KINDS, 'networking.istio.io', 'v9')).toBeUndefined();
  });

  it('have one of version 2 for all', () => {
    const document = openApiV2(KINDS) as Document;
    expect(dangling(document, '#/definitions/', Object.keys(document.definitions))).toEqual([]);
    expect(document.definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString']).toMatchObject({
      type: 'string',
      format: 'int-or-string',
    });
    // A schema within a CustomResourceDefinition has fields of these names.
    const { [JSON_SCHEMA]: _, ...others } = document.definitions;
    expect(JSON.stringify(others)).not.toMatch(/"(oneOf|anyOf|allOf|nullable)":/);
  });

  it('say which parameters a change takes, which is how kubectl learns that the server validates fields', () => {
    const { paths } = openApiV3(KINDS, 'networking.istio.io', 'v1') as Document;
    const one = paths['/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/{name}']!;
    expect(Object.keys(one)).toEqual(['get', 'put', 'patch', 'delete']);
    expect(one.patch!.parameters.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['dryRun', 'fieldManager', 'fieldValidation', 'force']),
    );
    expect(one.patch!['x-kubernetes-group-version-kind']).toEqual({
      group: 'networking.istio.io',
      version: 'v1',
      kind: 'VirtualService',
    });
  });

  it('have the kinds that CustomResourceDefinitions brought', () => {
    const kinds = [...KINDS, widget('color')];
    const { components, paths } = openApiV3(kinds, 'example.com', 'v1') as Document;
    expect(components.schemas).toHaveProperty(['com.example.v1.Widget', 'properties', 'color', 'type'], 'string');
    expect(components.schemas).toHaveProperty(['com.example.v1.WidgetList']);
    expect(Object.keys(paths)).toContain('/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status');
    expect((openApiV2(kinds) as Document).definitions).toHaveProperty(['com.example.v1.Widget']);
  });
});

describeWith(['kubectl'], 'kubectl with these documents', () => {
  const kinds = [...KINDS, widget('color')];
  const home = mkdtempSync(join(tmpdir(), 'limen-explain-'));
  let server: Server;

  beforeAll(async () => {
    server = createServer(({ url = '', headers }, response) => {
      const [, group, version] = /^\/openapi\/v3\/(?:api|apis\/([^/]+))\/(\w+)\?/.exec(url) ?? [];
      const root = /^\/(apis?)\?/.exec(url)?.[1] as 'api' | 'apis' | undefined;
      const document =
        root !== undefined && headers.accept?.includes('as=APIGroupDiscoveryList')
          ? aggregatedDiscovery(kinds, root)
          : version === undefined
            ? openApiV3Index(kinds, '1.0.0')
            : openApiV3(kinds, group ?? '', version);
      const type = root === undefined ? '' : ';g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
      response.writeHead(200, { 'content-type': `application/json${type}` }).end(JSON.stringify(document));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
    rmSync(home, { recursive: true, force: true });
  });

  const kubectl = async (...args: string[]) => {
    const address = `--server=http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { stdout } = await promisify(execFile)('kubectl', [address, ...args], {
      env: { ...process.env, HOME: home },
    });
    return stdout;
  };

  it.each([
    [
      ['virtualservice.spec.http'],
      /VirtualService\n[\s\S]*FIELD: http <\[\]Object>[\s\S]*fault\t<Object>\n {4}Fault injection/,
    ],
    [['pod.spec.containers'], /FIELD: containers <\[\]Container>[\s\S]*livenessProbe\t<Probe>/],
    [['gateway', '--api-version=gateway.networking.k8s.io/v1'], /GatewaySpec> -required-/],
    [['gateway.spec.servers.tls.mode'], /GROUP: +networking\.istio\.io[\s\S]*ENUM:[\s\S]*PASSTHROUGH/],
    [['vs', '--api-version=networking.istio.io/v1alpha3'], /VERSION: +v1alpha3/],
    [['deployment.spec', '--recursive'], /maxSurge\t<IntOrString>/],
    [['crd.spec.versions.schema', '--recursive'], /x-kubernetes-list-map-keys\t<\[\]string>/],
    [['iop'], /KIND: +IstioOperator/],
    [['widget.color'], /How it looks\./],
  ])('explains %j', async (args, expected) => {
    expect(await kubectl('explain', ...args)).toMatch(expected);
  });

  it('lists the resources with their short names', async () => {
    const lines = (await kubectl('api-resources', '--no-headers'))
      .split('\n')
      .map((line) => line.split(/ +/).join(' '));
    expect(lines).toContain('virtualservices vs networking.istio.io/v1 true VirtualService');
    expect(lines).toContain('gateways gtw gateway.networking.k8s.io/v1 true Gateway');
    expect(lines).toContain('widgets example.com/v1 true Widget');
    expect(await kubectl('api-resources', '--categories=istio-io', '-o', 'name')).toContain(
      'authorizationpolicies.security.istio.io',
    );
  });
});
