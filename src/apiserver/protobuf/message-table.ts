// Kubernetes' own kinds as protobuf messages: client-go sends those kinds so. Only what a decoder needs: which number is which field.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding

import { APPS } from './messages/apps.ts';
import { AUTHENTICATION } from './messages/authentication.ts';
import { AUTHORIZATION } from './messages/authorization.ts';
import { AUTOSCALING } from './messages/autoscaling.ts';
import { COORDINATION } from './messages/coordination.ts';
import { CORE } from './messages/core.ts';
import { DISCOVERY } from './messages/discovery.ts';
import { EVENTS } from './messages/events.ts';
import { META } from './messages/meta.ts';
import { NETWORKING } from './messages/networking.ts';
import { RBAC } from './messages/rbac.ts';

/**
 * Messages of one package: name → fields, `name=number:type` with spaces between. A type is a scalar (string, bool, int32, int64, bytes), a
 * special one of decode.ts, or a message (of another package: `meta.ObjectMeta`). After it stands `[]` for a list, `{}` for a map from strings, `*` for
 * a field that is a pointer in Go: it is there when it is on the wire, while others are always on the wire and are there when they are not
 * empty. The name `~` is a message whose fields are those of the message it stands in.
 */
export type MessageTable = Readonly<Record<string, string>>;

const PACKAGES: Readonly<Record<string, MessageTable>> = {
  core: CORE,
  apps: APPS,
  authentication: AUTHENTICATION,
  authorization: AUTHORIZATION,
  autoscaling: AUTOSCALING,
  coordination: COORDINATION,
  discovery: DISCOVERY,
  events: EVENTS,
  meta: META,
  networking: NETWORKING,
  rbac: RBAC,
};

/** A field of a message. */
export interface MessageField {
  name: string;
  /** `string`, `core.PodSpec`, … */
  type: string;
  shape: 'one' | 'list' | 'map';
  isPointer: boolean;
  /** Its fields are those of the message it stands in. */
  isInline: boolean;
}

const messages = new Map<string, ReadonlyMap<number, MessageField> | undefined>();

/** The fields of a message by number. @param name `core.Pod` */
export function messageFields(name: string): ReadonlyMap<number, MessageField> | undefined {
  if (!messages.has(name)) messages.set(name, parse(name));
  return messages.get(name);
}

function parse(message: string): ReadonlyMap<number, MessageField> | undefined {
  const [group = '', name = ''] = message.split('.');
  const table = Object.hasOwn(PACKAGES, group) ? PACKAGES[group] : undefined;
  const text = table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
  if (text === undefined) return undefined;
  const fields = new Map<number, MessageField>();
  for (const field of text.split(' ')) {
    const [, fieldName, number, type, suffix] = /^([^=]+)=(\d+):([\w.]+)(\*|\[\]|\{\})?$/.exec(
      field,
    ) as unknown as string[];
    const isLocal = /^[A-Z]/.test(type!) && table![type!] !== undefined;
    fields.set(Number(number), {
      name: fieldName!,
      type: isLocal ? `${group}.${type}` : type!,
      shape: suffix === '[]' ? 'list' : suffix === '{}' ? 'map' : 'one',
      isPointer: suffix === '*',
      isInline: fieldName === '~',
    });
  }
  return fields;
}

/** The message of a kind; undefined when client-go has none for it. */
export function messageOf(apiVersion: string, kind: string): string | undefined {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const name = `${group === '' ? 'core' : group.split('.')[0]}.${kind}`;
  const isOfGroup = group === '' || !group.includes('.') || group.endsWith('.k8s.io');
  if (kind === 'DeleteOptions') return 'meta.DeleteOptions';
  return isOfGroup && messageFields(name) !== undefined ? name : undefined;
}
