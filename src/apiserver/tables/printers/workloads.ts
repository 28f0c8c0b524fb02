// Tables of pods, Deployments and ReplicaSets, as kubectl shows them.

import type { ResourceObject } from '../../../resources/object.ts';
import type { LabelSelector } from '../../../resources/selectors.ts';
import type { Deployment, Pod } from '../../../resources/types.ts';
import { ageOf, humanDuration } from '../duration.ts';
import { AGE, column, formatLabels, NAME, NONE, type Printer } from '../printer.ts';

type PodStatus = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];

const WIDE = { priority: 1 } as const;
const INTEGER = { type: 'integer' } as const;
/** What a Deployment and a ReplicaSet have alike. */
const TEMPLATE_COLUMNS = [
  column('Containers', 'Names of the containers of the template', WIDE),
  column('Images', 'Images of the containers of the template', WIDE),
  column('Selector', 'Labels of the pods that belong to it', WIDE),
];

export const podPrinter: Printer<Pod> = {
  columns: [
    NAME,
    column('Ready', 'Containers that are ready, of all'),
    column('Status', 'What the pod does, or why it does not'),
    column('Restarts', 'How often its containers were restarted'),
    AGE,
    column('IP', 'Address of the pod', WIDE),
    column('Node', 'Node the pod runs on', WIDE),
    column('Nominated Node', 'Node the pod may run on later', WIDE),
    column('Readiness Gates', 'Conditions of its readiness gates that are met, of all', WIDE),
  ],
  cells(pod, now) {
    const { spec, status, metadata } = pod;
    const containers = status?.containerStatuses ?? [];
    const ready = containers.filter((container) => container.ready && container.state?.running !== undefined).length;
    const gates = spec?.readinessGates ?? [];
    const met = gates.filter(({ conditionType }) =>
      (status?.conditions ?? []).some(({ type, status: value }) => type === conditionType && value === 'True'),
    );
    return [
      metadata.name,
      `${ready}/${spec?.containers?.length ?? 0}`,
      podState(pod),
      restarts(initState(pod) === undefined ? containers : (status?.initContainerStatuses ?? []), now),
      ageOf(metadata.creationTimestamp, now),
      status?.podIPs?.[0]?.ip ?? status?.podIP ?? NONE,
      spec?.nodeName || NONE,
      status?.nominatedNodeName || NONE,
      gates.length === 0 ? NONE : `${met.length}/${gates.length}`,
    ];
  },
};

/** The STATUS of a pod: its phase, unless a container or a deletion says more. */
function podState(pod: Pod): string {
  const { metadata, status } = pod;
  if (metadata.deletionTimestamp !== undefined) return status?.reason === 'NodeLost' ? 'Unknown' : 'Terminating';
  const preparing = initState(pod);
  if (preparing !== undefined) return preparing;
  let state: string = status?.reason || status?.phase || 'Unknown';
  let hasRunning = false;
  for (const container of (status?.containerStatuses ?? []).toReversed()) {
    const { waiting, terminated, running } = container.state ?? {};
    if (waiting?.reason) state = waiting.reason;
    else if (terminated !== undefined) state = terminated.reason || endOf(terminated);
    else if (container.ready && running !== undefined) hasRunning = true;
  }
  if (state === 'Completed' && hasRunning) {
    const isReady = (status?.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True');
    state = isReady ? 'Running' : 'NotReady';
  }
  return state;
}

/** What the first init container that is not done says of the pod; undefined when all are. */
function initState({ spec, status }: Pod): string | undefined {
  const containers = spec?.initContainers ?? [];
  for (const [index, container] of (status?.initContainerStatuses ?? []).entries()) {
    const { waiting, terminated } = container.state ?? {};
    const isSidecar = containers.find(({ name }) => name === container.name)?.restartPolicy === 'Always';
    if (terminated?.exitCode === 0 || (isSidecar && container.started === true)) continue;
    if (terminated !== undefined) return `Init:${terminated.reason || endOf(terminated)}`;
    if (waiting?.reason && waiting.reason !== 'PodInitializing' && waiting.reason !== 'ContainerCreating')
      return `Init:${waiting.reason}`;
    return `Init:${index}/${containers.length}`;
  }
  return undefined;
}

function endOf({ signal, exitCode }: { signal?: number; exitCode: number }): string {
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

function restarts(containers: readonly ContainerStatus[], now: Date): string {
  const count = containers.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0);
  const ends = containers.map(({ lastState }) => Date.parse(lastState?.terminated?.finishedAt ?? ''));
  const last = Math.max(...ends.filter((time) => !Number.isNaN(time)));
  return count === 0 || !Number.isFinite(last)
    ? String(count)
    : `${count} (${humanDuration(now.getTime() - last)} ago)`;
}

export const deploymentPrinter: Printer<Deployment> = {
  columns: [
    NAME,
    column('Ready', 'Pods that are ready, of those wanted'),
    column('Up-to-date', 'Pods that have the newest template', INTEGER),
    column('Available', 'Pods that have been ready long enough', INTEGER),
    AGE,
    ...TEMPLATE_COLUMNS,
  ],
  cells({ metadata, spec, status }, now) {
    return [
      metadata.name,
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 1}`,
      status?.updatedReplicas ?? 0,
      status?.availableReplicas ?? 0,
      ageOf(metadata.creationTimestamp, now),
      ...templateCells(spec),
    ];
  },
};

/** What a Deployment's and a ReplicaSet's spec have alike. */
interface TemplateSpec {
  replicas?: number;
  selector?: LabelSelector;
  template?: { spec?: { containers?: readonly { name: string; image?: string }[] } };
}

export const replicaSetPrinter: Printer<ResourceObject<TemplateSpec, { replicas?: number; readyReplicas?: number }>> = {
  columns: [
    NAME,
    column('Desired', 'Pods that are wanted', INTEGER),
    column('Current', 'Pods that there are', INTEGER),
    column('Ready', 'Pods that are ready', INTEGER),
    AGE,
    ...TEMPLATE_COLUMNS,
  ],
  cells({ metadata, spec, status }, now) {
    return [
      metadata.name,
      spec?.replicas ?? 1,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      ageOf(metadata.creationTimestamp, now),
      ...templateCells(spec),
    ];
  },
};

function templateCells({ selector, template }: TemplateSpec = {}): string[] {
  const containers = template?.spec?.containers ?? [];
  return [
    containers.map(({ name }) => name).join(','),
    containers.map(({ image }) => image ?? '').join(','),
    formatSelector(selector),
  ];
}

/** A label selector as text, as `kubectl get -l` would take it. */
export function formatSelector(selector: LabelSelector | undefined): string {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return NONE;
  const labels = Object.keys(matchLabels).length === 0 ? [] : [formatLabels(matchLabels)];
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    switch (operator) {
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return `${key} ${operator.toLowerCase()} (${values.toSorted().join(',')})`;
    }
  });
  return [...labels, ...expressions].join(',');
}
