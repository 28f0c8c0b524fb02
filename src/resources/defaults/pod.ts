// Defaults of a pod's spec, and of the one in a template.

import { DEFAULT_GRACE_SECONDS } from '../grace-period.ts';
import { type Fields, withDefault } from './fields.ts';

/** @param ofPod a pod also gets what admission adds: its ServiceAccount. @param spec whose types are right */
export function podSpecDefaults(spec: Fields, { ofPod }: { ofPod: boolean }): Fields {
  const complete = withDefault(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: DEFAULT_GRACE_SECONDS,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    ...(ofPod ? { enableServiceLinks: true, serviceAccountName: spec.serviceAccount ?? 'default' } : {}),
  });
  // The old spelling of the same field.
  if (complete.serviceAccountName !== undefined) complete.serviceAccount = complete.serviceAccountName;
  for (const list of ['containers', 'initContainers'] as const) {
    const containers = complete[list];
    if (Array.isArray(containers)) complete[list] = containers.map(containerDefaults);
  }
  if (Array.isArray(complete.volumes)) complete.volumes = complete.volumes.map(volumeDefaults);
  return complete;
}

function containerDefaults(container: Fields): Fields {
  const complete = withDefault(container, {
    imagePullPolicy: isNewest(String(container.image ?? '')) ? 'Always' : 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
  });
  if (Array.isArray(complete.ports))
    complete.ports = complete.ports.map((port: Fields) => withDefault(port, { protocol: 'TCP' }));
  if (Array.isArray(complete.env)) complete.env = complete.env.map(envDefaults);
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (complete[probe] !== undefined) complete[probe] = probeDefaults(complete[probe] as Fields);
  }
  return complete;
}

/** Whether an image is the newest of its name: tagged `latest`, or not at all. */
function isNewest(image: string): boolean {
  const tag = /:([^/:@]+)$/.exec(image)?.[1];
  return !image.includes('@') && (tag === undefined || tag === 'latest');
}

function envDefaults(variable: Fields): Fields {
  const source = variable.valueFrom as Fields | undefined;
  if (source?.fieldRef === undefined) return variable;
  return {
    ...variable,
    valueFrom: { ...source, fieldRef: withDefault(source.fieldRef as Fields, { apiVersion: 'v1' }) },
  };
}

function probeDefaults(probe: Fields): Fields {
  const complete = withDefault(probe, {
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  if (complete.httpGet !== undefined)
    complete.httpGet = withDefault(complete.httpGet as Fields, { path: '/', scheme: 'HTTP' });
  return complete;
}

/** Volumes whose files have a mode. */
const WITH_MODE = ['secret', 'configMap', 'projected', 'downwardAPI'];

function volumeDefaults(volume: Fields): Fields {
  const complete = { ...volume };
  for (const source of WITH_MODE)
    if (complete[source] !== undefined)
      complete[source] = withDefault(complete[source] as Fields, { defaultMode: 0o644 });
  return Object.keys(complete).length === 1 ? { ...complete, emptyDir: {} } : complete;
}
