// The things that selectors select, found by label instead of by trying each: pods and WorkloadEntries of a namespace.

import type { ResourceObject } from '../../resources/object.ts';
import { matchesLabels } from '../../resources/selectors.ts';

/** Objects by namespace and label. */
export class LabelIndex<Item extends ResourceObject> {
  readonly #byLabel = new Map<string, Item[]>();

  /** @param labelsOf the labels a selector is held against */
  constructor(items: Iterable<Item>, labelsOf: (item: Item) => Readonly<Record<string, string>> | undefined) {
    for (const item of items) {
      const labels = labelsOf(item);
      for (const name in labels) this.#add(`${item.metadata.namespace ?? ''}/${name}=${labels[name]}`, item);
    }
    this.#labelsOf = labelsOf;
  }

  readonly #labelsOf: (item: Item) => Readonly<Record<string, string>> | undefined;

  #add(label: string, item: Item): void {
    const list = this.#byLabel.get(label);
    if (list === undefined) this.#byLabel.set(label, [item]);
    else list.push(item);
  }

  /** The objects of the namespace that have all labels of the selector, which must not be empty. */
  select(namespace: string, selector: Readonly<Record<string, string>>): Item[] {
    let rarest: Item[] | undefined;
    for (const name in selector) {
      const list = this.#byLabel.get(`${namespace}/${name}=${selector[name]}`);
      if (list === undefined) return [];
      if (rarest === undefined || list.length < rarest.length) rarest = list;
    }
    return (rarest ?? []).filter((item) => matchesLabels(selector, this.#labelsOf(item)));
  }
}
