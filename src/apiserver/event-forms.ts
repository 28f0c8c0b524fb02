// Events have two APIs and one storage: events.k8s.io/v1 has other names for the fields of the core group's Events, and is kept as those.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/

import type { ObjectKey, ResourceObject } from '../resources/object.ts';

/** A kind whose objects are stored as those of another kind. */
export interface StoredForm {
  /** The kind they are stored as. */
  readonly group: ObjectKey['group'];
  readonly kind: string;
  readonly apiVersion: string;
  /** From the kind's own fields to the stored ones. */
  toStored(object: ResourceObject): ResourceObject;
  /** The other way around. */
  fromStored(object: ResourceObject): ResourceObject;
}

/** The kind id of Events in their newer API. */
const EVENTS = 'Event.events.k8s.io';

/** Names of fields in events.k8s.io, and in the core group. All others are called the same. */
const NAMES: readonly (readonly [string, string])[] = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
];
const CORE_NAMES: ReadonlyMap<string, string> = new Map(NAMES);
const OWN_NAMES: ReadonlyMap<string, string> = new Map(NAMES.map(([own, core]) => [core, own]));

/** How objects of a kind are stored, where that is not as themselves. @param id its `kindId` */
export function storedFormOf(id: string): StoredForm | undefined {
  return id === EVENTS ? EVENT_FORM : undefined;
}

const EVENT_FORM: StoredForm = {
  group: '',
  kind: 'Event',
  apiVersion: 'v1',
  toStored: (object) => ({
    ...({ involvedObject: {} } as object), // the core group wants it
    ...renamed(object, CORE_NAMES),
    apiVersion: 'v1',
  }),
  fromStored: (object) => ({
    ...({ eventTime: null } as object), // always shown
    ...renamed(object, OWN_NAMES),
    apiVersion: 'events.k8s.io/v1',
  }),
};

function renamed(object: ResourceObject, names: ReadonlyMap<string, string>): ResourceObject {
  const fields = Object.entries(object).map(([name, value]) => [names.get(name) ?? name, value]);
  return Object.fromEntries(fields) as ResourceObject;
}
