// Which objects of a resource a request is about: namespace, label selector, field selector.

import type { ResourceObject } from '../../resources/object.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { ApiResource } from '../api-resource.ts';
import type { ResourceRequest } from '../request-info.ts';
import { type FieldSelector, parseFieldSelector } from '../selectors/field-selector.ts';
import { type LabelMatcher, parseLabelSelector } from '../selectors/label-selector.ts';

/** What a list or watch shows. */
export class Selection {
  readonly resource: ApiResource;
  /** '' for all. */
  readonly namespace: string;
  /** Whether it shows all objects of its namespace. */
  readonly isEverything: boolean;
  readonly #labels: LabelMatcher | undefined;
  readonly #fields: FieldSelector | undefined;

  /** @throws ApiError 400 for a selector that is none */
  constructor(resource: ApiResource, { namespace }: ResourceRequest, query: URLSearchParams) {
    this.resource = resource;
    const labels = query.get('labelSelector') ?? '';
    const fields = query.get('fieldSelector') ?? '';
    this.#labels = labels === '' ? undefined : parseLabelSelector(labels);
    this.#fields = fields === '' ? undefined : parseFieldSelector(fields, resource.kindId);
    this.namespace = namespace !== '' ? namespace : resource.kind.namespaced ? (this.#fields?.namespace ?? '') : '';
    this.isEverything = this.#labels === undefined && this.#fields === undefined;
  }

  matches(object: ResourceObject): boolean {
    const { metadata } = object;
    return (
      (this.namespace === '' || metadata.namespace === this.namespace) &&
      (this.#labels === undefined || this.#labels(metadata.labels ?? {})) &&
      (this.#fields === undefined || this.#fields.matches(object))
    );
  }

  /** The objects it shows of a snapshot, ordered by namespace and name. */
  of(snapshot: Snapshot): ResourceObject[] {
    const { kindId, kind } = this.resource;
    const name = this.#fields?.name;
    if (name !== undefined && (this.namespace !== '' || !kind.namespaced)) {
      const only = snapshot.getOf(kindId, this.namespace, name);
      return only !== undefined && this.matches(only) ? [only] : [];
    }
    const all = snapshot.listOf(kindId);
    return (this.isEverything && this.namespace === '' ? all : all.filter((object) => this.matches(object))).sort(
      byKey,
    );
  }
}

/** `namespace/name`: what lists are ordered by. */
export function placeOf({ metadata }: ResourceObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function byKey({ metadata: a }: ResourceObject, { metadata: b }: ResourceObject): number {
  const [left, right] = a.namespace === b.namespace ? [a.name, b.name] : [a.namespace ?? '', b.namespace ?? ''];
  return left < right ? -1 : left > right ? 1 : 0;
}
