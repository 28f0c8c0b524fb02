// `watch`: one response that lasts, a line of JSON an event.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

import type { ServerResponse } from 'node:http';
import type { ResourceObject } from '../../resources/object.ts';
import type { ApiCall, ApiContext } from '../api-call.ts';
import { parseResourceVersion } from '../lists/resource-version.ts';
import { Selection } from '../lists/selection.ts';
import { isTrue } from '../request-info.ts';
import { badRequest, expired, invalid } from '../status.ts';
import { includeObjectOf } from '../tables/table.ts';
import { eventOf, type WatchForm, writeBookmark, writeError, writeEvent } from './watch-event.ts';
import { kindIdOf, versionOf, type Watcher } from './watch-hub.ts';

/** How long a watch lasts that does not say so: kube-apiserver's half hour to an hour, here its middle. */
const DEFAULT_TIMEOUT_SECONDS = 2700;
const MAX_TIMEOUT_SECONDS = 24 * 60 * 60;
/** What may wait for a slow client. A watch that has more waiting is told nothing until that is read, then what it missed. */
const MAX_WAITING_BYTES = 256 * 1024;
/** How long a client may read nothing, with events waiting for it. */
const MAX_STALL_MS = 60_000;

/** Answers a watch; resolves when it has begun. @throws ApiError for a query that can't be watched by */
export function watch(call: ApiCall, context: ApiContext): void {
  const { info, resource, query, representation, response } = call;
  const selection = new Selection(resource, info, query);
  const form: WatchForm = { resource, as: representation.as, include: includeObjectOf(query) };
  const { from, initial } = startOf(call, context, selection);
  const seconds = timeoutOf(query.get('timeoutSeconds'));
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  const stream = new WatchStream(context, response, selection, form, from, isTrue(query.get('allowWatchBookmarks')));
  const timer = setTimeout(() => stream.end(), seconds * 1000);
  timer.unref();
  response.on('close', () => {
    clearTimeout(timer);
    stream.stop();
  });
  void stream.run(initial, isTrue(query.get('sendInitialEvents')));
}

/** Where a watch begins: after a version, with what is there at that version told first, or not. */
function startOf(
  { query }: ApiCall,
  { store }: ApiContext,
  selection: Selection,
): { from: number; initial: readonly ResourceObject[] } {
  const asked = query.get('resourceVersion') ?? '';
  const version = parseResourceVersion(asked);
  const sendInitial = query.get('sendInitialEvents');
  const match = query.get('resourceVersionMatch') ?? '';
  const refuse = (field: string, message: string) =>
    invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [{ reason: 'FieldValueForbidden', message, field }]);
  if (sendInitial === null && match !== '')
    throw refuse(
      'resourceVersionMatch',
      'Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    );
  if (sendInitial !== null && match !== 'NotOlderThan')
    throw refuse(
      'resourceVersionMatch',
      'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  const { snapshot } = store;
  // Without a version, or with 0, a watch starts with what there is.
  const withInitial = sendInitial === null ? version === 0 : isTrue(sendInitial);
  if (withInitial && version <= snapshot.resourceVersion)
    return { from: snapshot.resourceVersion, initial: selection.of(snapshot) };
  if (version === 0) return { from: snapshot.resourceVersion, initial: [] };
  return { from: version, initial: [] };
}

function timeoutOf(text: string | null): number {
  if (text === null || text === '') return DEFAULT_TIMEOUT_SECONDS;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 0)
    throw badRequest(`timeoutSeconds: ${JSON.stringify(text)} is no number`);
  return seconds === 0 ? DEFAULT_TIMEOUT_SECONDS : Math.min(seconds, MAX_TIMEOUT_SECONDS);
}

/**
 * One watch. It is either catching up (it asks the store for what happened since it was last told, as fast as its client reads), or up to
 * date and told by the hub. A client that reads too slowly goes from the second to the first; what it missed is not kept for it but asked for
 * again, and when the store no longer has it, the watch ends with 410 Gone.
 */
class WatchStream implements Watcher {
  readonly selection: Selection;
  readonly form: WatchForm;
  told: number;
  readonly #context: ApiContext;
  readonly #response: ServerResponse;
  readonly #wantsBookmarks: boolean;
  #ended = false;

  constructor(
    context: ApiContext,
    response: ServerResponse,
    selection: Selection,
    form: WatchForm,
    from: number,
    wantsBookmarks: boolean,
  ) {
    this.#context = context;
    this.#response = response;
    this.selection = selection;
    this.form = form;
    this.told = from;
    this.#wantsBookmarks = wantsBookmarks;
  }

  /** Tells what was there, then what happened since, then goes on. */
  async run(initial: readonly ResourceObject[], endWithBookmark: boolean): Promise<void> {
    for (const object of initial) {
      this.#response.write(writeEvent({ type: 'ADDED', object }, this.form, this.#context.clock()));
      if (this.#isFull && !(await this.#drained())) return;
    }
    if (endWithBookmark && this.#wantsBookmarks) this.#response.write(writeBookmark(this.told, this.form, true));
    await this.#catchUp();
  }

  send(line: string): void {
    this.#response.write(line);
    if (!this.#isFull) return;
    this.#context.watches.delete(this);
    void this.#drained().then((isDrained) => (isDrained ? this.#catchUp() : undefined));
  }

  bookmark(): void {
    if (!this.#wantsBookmarks || this.#isFull) return;
    this.told = Math.max(this.told, this.#context.watches.resourceVersion);
    this.#response.write(writeBookmark(this.told, this.form, false));
  }

  /** Ends the response in order: its time is over. */
  end(): void {
    if (this.#ended) return;
    if (this.#wantsBookmarks) this.bookmark();
    this.stop();
    this.#response.end();
  }

  /** Nobody listens any more. */
  stop(): void {
    this.#ended = true;
    this.#context.watches.delete(this);
  }

  get #isFull(): boolean {
    return this.#response.writableLength > MAX_WAITING_BYTES;
  }

  async #catchUp(): Promise<void> {
    const { store, watches, clock } = this.#context;
    while (!this.#ended) {
      const missed = this.told > store.snapshot.resourceVersion ? undefined : store.eventsSince(this.told);
      if (missed === undefined) return this.#expire();
      if (missed.length === 0) return watches.add(this);
      for (const change of missed) {
        this.told = versionOf(change);
        if (kindIdOf(change.object) !== this.selection.resource.kindId) continue;
        const event = eventOf(change, this.selection);
        if (event !== undefined) this.#response.write(writeEvent(event, this.form, clock()));
        if (this.#isFull && !(await this.#drained())) return;
      }
    }
  }

  /** What it missed is forgotten, or has never been: the client has to list again. */
  #expire(): void {
    const newest = this.#context.store.snapshot.resourceVersion;
    this.stop();
    this.#response.end(writeError(expired(`too old resource version: ${this.told} (${newest})`).status));
  }

  /** Resolves when the client has read what waits for it; with false when it does not, or is gone. */
  #drained(): Promise<boolean> {
    const response = this.#response;
    return new Promise((resolve) => {
      const settle = (isDrained: boolean) => {
        clearTimeout(timer);
        response.off('drain', onDrain);
        response.off('close', onClose);
        resolve(isDrained && !this.#ended);
      };
      const onDrain = () => settle(true);
      const onClose = () => settle(false);
      const timer = setTimeout(() => {
        settle(false);
        this.stop();
        response.destroy();
      }, MAX_STALL_MS);
      timer.unref();
      response.once('drain', onDrain);
      response.once('close', onClose);
    });
  }
}
