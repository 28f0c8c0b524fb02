// What of the configuration cannot be served, logged once when it comes, again with another remedy, and once when it goes: file and line, object, field, what happens, remedy.

import type { Logger } from 'pino';
import type { Notice } from '../../controlplane/notice.ts';
import { formatFieldPath, parseFieldPath } from '../../resources/field-path.ts';
import { describeKey, keyId, keyOf, type ObjectKey } from '../../resources/object.ts';
import { findPortConflicts } from '../../resources/validation/port-conflicts.ts';
import { findDanglingReferences } from '../../resources/validation/references.ts';
import type { FileSource } from '../../sources/files.ts';
import type { Store } from '../../store/store.ts';

/** Changes in quick succession are looked at once: a service may come a moment after the route to it. */
const PAUSE_MS = 100;
/** So many lines at a time; `limen validate` has them all. */
const MAX_LINES = 20;

/** One thing that is wrong. Two are the same when object, field and message are; what is to be done may change meanwhile. */
interface Complaint {
  object: ObjectKey;
  field: string;
  message: string;
  hint?: string;
}

/** A report that follows the store. */
export interface Report {
  /** What could not be translated for a proxy (any object that stands for it), each time it is. */
  translated(proxy: object, notices: readonly Notice[]): void;
  /** A proxy is no longer there. That alone is nothing to tell: it may be back in a moment. */
  gone(proxy: object): void;
  close(): void;
}

/** @param source where the objects were written; undefined until the files are there */
export function reportOn(store: Store, source: () => FileSource | undefined, log: Logger): Report {
  const noticesOf = new Map<object, readonly Notice[]>();
  let known = new Map<string, Complaint>();
  let timer: NodeJS.Timeout | undefined;
  const schedule = () => {
    timer ??= setTimeout(report, PAUSE_MS);
  };
  const unsubscribe = store.subscribe(schedule);

  function report(): void {
    timer = undefined;
    const files = source();
    if (files === undefined) {
      schedule();
      return;
    }
    const current = new Map<string, Complaint>();
    for (const complaint of complaintsOf(store, files, [...noticesOf.values()].flat()))
      current.set(`${keyId(complaint.object)} ${complaint.field} ${complaint.message}`, complaint);
    const added = [...current]
      .filter(([key, { hint }]) => !known.has(key) || known.get(key)?.hint !== hint)
      .map(([, complaint]) => complaint);
    const gone = [...known].filter(([key]) => !current.has(key)).map(([, complaint]) => complaint);
    known = current;
    for (const complaint of added.slice(0, MAX_LINES)) log.warn(`${placeOf(complaint, files)}${textOf(complaint)}`);
    if (added.length > MAX_LINES)
      log.warn(`and ${added.length - MAX_LINES} more of the kind: limen validate -f shows them all`);
    for (const { object, field, message } of gone.slice(0, MAX_LINES))
      log.info(`resolved: ${textOf({ object, field, message })}`);
    if (gone.length > MAX_LINES) log.info(`and ${gone.length - MAX_LINES} more are resolved`);
  }

  return {
    translated(proxy, notices) {
      noticesOf.set(proxy, notices);
      schedule();
    },
    gone(proxy) {
      noticesOf.delete(proxy);
    },
    close() {
      unsubscribe();
      clearTimeout(timer);
    },
  };
}

/** What the translation says, with the remedy that the checks of `limen validate` know; then what they alone have found. */
function complaintsOf(store: Store, files: FileSource, notices: readonly Notice[]): Complaint[] {
  const refused = files.problems.flatMap(({ severity, object }) =>
    severity === 'error' && object !== undefined ? [object] : [],
  );
  const findings = [
    ...findPortConflicts(store.snapshot),
    ...findDanglingReferences(store.snapshot, new Set(refused)),
  ].map(({ object, finding }) => ({
    object: keyOf(object),
    field: formatFieldPath(finding.path),
    message: finding.message,
    ...(finding.hint === undefined ? {} : { hint: finding.hint }),
  }));
  const byObject = Map.groupBy(findings, ({ object }) => keyId(object));
  const told = new Set<Complaint>();
  const complaints: Complaint[] = [];
  for (const notice of notices) {
    const field = notice.field ?? '';
    const same = byObject.get(keyId(notice.object))?.find((finding) => isWithin(finding.field, field));
    if (same !== undefined) told.add(same);
    const hint = same?.hint === undefined ? {} : { hint: same.hint };
    complaints.push({ object: notice.object, field: same?.field ?? field, message: notice.message, ...hint });
  }
  return [...complaints, ...findings.filter((finding) => !told.has(finding))];
}

/** Whether a field is the other one or inside it. */
function isWithin(field: string, other: string): boolean {
  return field === other || (other !== '' && field.startsWith(other) && '.['.includes(field.charAt(other.length)));
}

/** `file:line:column: ` of the field; nothing for objects that are in no file. */
function placeOf({ object, field }: Complaint, files: FileSource): string {
  const id = keyId(object);
  const loaded = files.objects.find((candidate) => keyId(keyOf(candidate.object)) === id);
  if (loaded === undefined) return '';
  const { line, column } = loaded.locate(parseFieldPath(field));
  return `${loaded.file}:${line}:${column}: `;
}

function textOf({ object, field, message, hint }: Complaint): string {
  return `${describeKey(object)}: ${field === '' ? '' : `${field}: `}${message}${hint === undefined ? '' : ` (${hint})`}`;
}
