// Tables of Namespaces, Nodes, Secrets, ConfigMaps, ServiceAccounts, Events, Leases and CustomResourceDefinitions, as kubectl shows them.

import type { ResourceObject } from '../../../resources/object.ts';
import type { ConfigMap, Secret } from '../../../resources/types.ts';
import { ageOf } from '../duration.ts';
import { AGE, column, NAME, NONE, type Printer } from '../printer.ts';

const WIDE = { priority: 1 } as const;

export const namespacePrinter: Printer<ResourceObject<unknown, { phase?: string }>> = {
  columns: [NAME, column('Status', 'Active, or Terminating while it is emptied'), AGE],
  cells: ({ metadata, status }, now) => [
    metadata.name,
    status?.phase ?? 'Active',
    ageOf(metadata.creationTimestamp, now),
  ],
};

interface NodeStatus {
  conditions?: { type: string; status: string }[];
  addresses?: { type: string; address: string }[];
  nodeInfo?: { kubeletVersion?: string; osImage?: string; kernelVersion?: string; containerRuntimeVersion?: string };
}

export const nodePrinter: Printer<ResourceObject<{ unschedulable?: boolean }, NodeStatus>> = {
  columns: [
    NAME,
    column('Status', 'Whether it takes pods'),
    column('Roles', 'From its labels node-role.kubernetes.io/…'),
    AGE,
    column('Version', 'Of its kubelet'),
    column('Internal-IP', 'Its address', WIDE),
    column('External-IP', 'Its address from outside', WIDE),
    column('OS-Image', 'Its operating system', WIDE),
    column('Kernel-Version', 'Its kernel', WIDE),
    column('Container-Runtime', 'What runs its containers', WIDE),
  ],
  cells({ metadata, spec, status }, now) {
    const { conditions = [], addresses = [], nodeInfo = {} } = status ?? {};
    const ready = conditions.find(({ type }) => type === 'Ready');
    const states = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
    if (spec?.unschedulable === true) states.push('SchedulingDisabled');
    const prefix = 'node-role.kubernetes.io/';
    const roles = Object.keys(metadata.labels ?? {})
      .filter((label) => label.startsWith(prefix) && label.length > prefix.length)
      .map((label) => label.slice(prefix.length))
      .sort();
    const address = (wanted: string) => addresses.find(({ type }) => type === wanted)?.address ?? NONE;
    return [
      metadata.name,
      states.join(','),
      roles.join(',') || NONE,
      ageOf(metadata.creationTimestamp, now),
      nodeInfo.kubeletVersion ?? '',
      address('InternalIP'),
      address('ExternalIP'),
      nodeInfo.osImage ?? '<unknown>',
      nodeInfo.kernelVersion ?? '<unknown>',
      nodeInfo.containerRuntimeVersion ?? '<unknown>',
    ];
  },
};

export const secretPrinter: Printer<Secret> = {
  columns: [NAME, column('Type', 'What it is for'), column('Data', 'How many entries it has'), AGE],
  cells: ({ metadata, type, data }, now) => [
    metadata.name,
    type ?? 'Opaque',
    Object.keys(data ?? {}).length,
    ageOf(metadata.creationTimestamp, now),
  ],
};

export const configMapPrinter: Printer<ConfigMap & { binaryData?: object }> = {
  columns: [NAME, column('Data', 'How many entries it has'), AGE],
  cells: ({ metadata, data, binaryData }, now) => [
    metadata.name,
    Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
    ageOf(metadata.creationTimestamp, now),
  ],
};

export const serviceAccountPrinter: Printer<ResourceObject & { secrets?: unknown[] }> = {
  columns: [NAME, column('Secrets', 'How many Secrets it lists'), AGE],
  cells: ({ metadata, secrets }, now) => [metadata.name, secrets?.length ?? 0, ageOf(metadata.creationTimestamp, now)],
};

/** The fields of an Event (v1) that tables show. */
type EventObject = ResourceObject & {
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  involvedObject?: { kind?: string; name?: string; fieldPath?: string };
  source?: { component?: string; host?: string };
  reportingComponent?: string;
  reportingInstance?: string;
  series?: { count?: number; lastObservedTime?: string };
};

export const eventPrinter: Printer<EventObject> = {
  columns: [
    column('Last Seen', 'When it was last seen'),
    column('Type', 'Normal or Warning'),
    column('Reason', 'Why, in one word'),
    column('Object', 'What it is about'),
    column('Subobject', 'Which part of that', WIDE),
    column('Source', 'Who says so', WIDE),
    column('Message', 'What happened'),
    column('First Seen', 'When it was first seen', WIDE),
    column('Count', 'How often', WIDE),
    column('Name', 'Name of the Event', { ...WIDE, format: 'name' }),
  ],
  cells(event, now) {
    const { involvedObject = {}, source = {}, series } = event;
    const age = (time: string | null | undefined) => ageOf(time ?? undefined, now);
    const first = event.firstTimestamp ?? event.eventTime;
    const last = series?.lastObservedTime ?? event.lastTimestamp ?? first;
    const component = source.component || event.reportingComponent || '';
    const host = source.host || event.reportingInstance;
    return [
      age(last),
      event.type ?? '',
      event.reason ?? '',
      `${(involvedObject.kind ?? '').toLowerCase()}/${involvedObject.name ?? ''}`,
      involvedObject.fieldPath ?? '',
      host ? `${component}, ${host}` : component,
      (event.message ?? '').trim(),
      age(first),
      series?.count ?? event.count ?? 1,
      event.metadata.name,
    ];
  },
};

export const leasePrinter: Printer<ResourceObject<{ holderIdentity?: string }>> = {
  columns: [NAME, column('Holder', 'Who holds it'), AGE],
  cells: ({ metadata, spec }, now) => [
    metadata.name,
    spec?.holderIdentity ?? '',
    ageOf(metadata.creationTimestamp, now),
  ],
};

export const customResourceDefinitionPrinter: Printer = {
  columns: [NAME, column('Created At', 'When it was created', { type: 'date' })],
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? '<unknown>'],
};

/** Kinds without a printer of their own. */
export const plainPrinter: Printer = {
  columns: [NAME, column('Age', 'Time since the object was created', { type: 'date' })],
  cells: ({ metadata }, now) => [metadata.name, ageOf(metadata.creationTimestamp, now)],
};
