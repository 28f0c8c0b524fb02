// The mesh-wide settings: ConfigMap `istio` in istio-system, key `mesh`, YAML in it.

import type { JsonObject } from '@bufbuild/protobuf';
import { parse } from 'yaml';
import { isHonouredOrHarmless } from '../resources/mesh-config.ts';
import { keyOf } from '../resources/object.ts';
import type { ConfigMap } from '../resources/types.ts';
import type { Notice } from './notice.ts';

/** The settings Limen honours, by the names of https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig */
export interface MeshConfig {
  /** Where requests are logged; '' is nowhere. */
  readonly accessLogFile: string;
  readonly accessLogEncoding: 'TEXT' | 'JSON';
  /** '' is Istio's default format. */
  readonly accessLogFormat: string;
  /** Percent of requests whose trace is sampled; undefined: `enableTracing` is false. */
  readonly tracingSampling: number | undefined;
  /** The port at which sidecars serve as HTTP proxies, where they ask for no other; undefined: at none. */
  readonly proxyHttpPort: number | undefined;
  /** Where calls of workloads to hosts that the mesh does not know go: there, or nowhere (502). */
  readonly outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly notices: readonly Notice[];
}

/** What holds without a ConfigMap. */
export const DEFAULT_MESH_CONFIG: MeshConfig = {
  accessLogFile: '',
  accessLogEncoding: 'TEXT',
  accessLogFormat: '',
  tracingSampling: 1,
  proxyHttpPort: undefined,
  outboundTrafficPolicy: 'ALLOW_ANY',
  notices: [],
};

/** Reads the mesh configuration. What cannot be read is reported and leaves the default in place. */
export function readMeshConfig(configMap: ConfigMap | undefined): MeshConfig {
  if (configMap === undefined) return DEFAULT_MESH_CONFIG;
  const object = keyOf(configMap);
  const notices: Notice[] = [];
  let mesh: unknown;
  try {
    mesh = parse(configMap.data?.mesh ?? '');
  } catch (error) {
    const message = `is not YAML, so the defaults hold: ${(error as Error).message.split('\n', 1)[0]}`;
    return { ...DEFAULT_MESH_CONFIG, notices: [{ object, field: 'data.mesh', message }] };
  }
  if (mesh === null || mesh === undefined) return DEFAULT_MESH_CONFIG;
  if (typeof mesh !== 'object' || Array.isArray(mesh)) {
    const message = 'is not a mapping, so the defaults hold';
    return { ...DEFAULT_MESH_CONFIG, notices: [{ object, field: 'data.mesh', message }] };
  }
  const settings = mesh as Record<string, unknown>;
  for (const name of Object.keys(settings)) {
    if (!isHonouredOrHarmless(name)) {
      notices.push({ object, field: `data.mesh.${name}`, message: 'is not honoured by Limen yet' });
    }
  }
  const textOf = (name: string) => {
    const value = settings[name];
    if (value === undefined || value === null || typeof value === 'string') return value ?? '';
    notices.push({ object, field: `data.mesh.${name}`, message: `must be a string, not ${typeof value}` });
    return '';
  };
  const notice = (field: string, message: string) => notices.push({ object, field, message });
  const encoding = textOf('accessLogEncoding');
  if (encoding !== '' && encoding !== 'TEXT' && encoding !== 'JSON') {
    notices.push({ object, field: 'data.mesh.accessLogEncoding', message: `must be TEXT or JSON, not ${encoding}` });
  }
  const accessLogFile = textOf('accessLogFile');
  let accessLogFormat = textOf('accessLogFormat');
  if (encoding === 'JSON' && accessLogFormat !== '' && parseJsonFormat(accessLogFormat) === undefined) {
    const message = "must be a JSON object, since accessLogEncoding is JSON: Istio's default format is used";
    notices.push({ object, field: 'data.mesh.accessLogFormat', message });
    accessLogFormat = '';
  }
  return {
    accessLogFile,
    accessLogEncoding: encoding === 'JSON' ? 'JSON' : 'TEXT',
    accessLogFormat,
    tracingSampling: tracingSampling(settings, notice),
    proxyHttpPort: proxyHttpPort(settings, notice),
    outboundTrafficPolicy: outboundTrafficPolicy(settings, notice),
    notices,
  };
}

// 0 is Istio's way to say none.
function proxyHttpPort(
  { proxyHttpPort: port }: Record<string, unknown>,
  notice: (field: string, message: string) => void,
): number | undefined {
  if (port === undefined || port === null || port === 0) return undefined;
  if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65535) return port;
  notice('data.mesh.proxyHttpPort', `must be a port from 1 to 65535, not ${JSON.stringify(port)}: there is none`);
  return undefined;
}

function outboundTrafficPolicy(
  settings: Record<string, unknown>,
  notice: (field: string, message: string) => void,
): MeshConfig['outboundTrafficPolicy'] {
  const mode = fieldOf(settings.outboundTrafficPolicy, 'mode') ?? 'ALLOW_ANY';
  if (mode === 'ALLOW_ANY' || mode === 'REGISTRY_ONLY') return mode;
  notice(
    'data.mesh.outboundTrafficPolicy.mode',
    `must be ALLOW_ANY or REGISTRY_ONLY, not ${JSON.stringify(mode)}: ALLOW_ANY holds`,
  );
  return 'ALLOW_ANY';
}

// `enableTracing`, and `defaultConfig.tracing.sampling`: percent, 1 unless set.
function tracingSampling(
  settings: Record<string, unknown>,
  notice: (field: string, message: string) => void,
): number | undefined {
  const { enableTracing } = settings;
  if (enableTracing !== undefined && enableTracing !== null && typeof enableTracing !== 'boolean') {
    notice('data.mesh.enableTracing', `must be true or false, not ${typeof enableTracing}`);
  }
  if (enableTracing === false) return undefined;
  const sampling =
    fieldOf(fieldOf(settings.defaultConfig, 'tracing'), 'sampling') ?? DEFAULT_MESH_CONFIG.tracingSampling;
  if (typeof sampling === 'number' && sampling >= 0 && sampling <= 100) return sampling;
  notice('data.mesh.defaultConfig.tracing.sampling', 'must be a percentage from 0 to 100; 1 is used');
  return DEFAULT_MESH_CONFIG.tracingSampling;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The fields of an access log format in JSON, or undefined when it isn't a JSON object. */
export function parseJsonFormat(format: string): JsonObject | undefined {
  try {
    const fields = JSON.parse(format) as unknown;
    return fields !== null && typeof fields === 'object' && !Array.isArray(fields) ? (fields as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
