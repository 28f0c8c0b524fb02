// A resource as a request names it: a kind in one of its versions.

import type { PrinterColumn } from '../resources/kinds/kind.ts';
import { apiVersionOf, type Kind } from '../resources/kinds.ts';
import { kindId, type ObjectKey, type ResourceObject } from '../resources/object.ts';
import { resolveRef, schemaOf } from '../resources/openapi/definitions.ts';
import { type FieldType, fieldType } from '../resources/openapi/field-type.ts';
import { isKubernetesGroup } from '../resources/openapi/names.ts';
import type { Schema } from '../resources/openapi/schema.ts';
import { withSchemas } from './built-in-definitions.ts';
import { DEFINITION } from './custom-resource-definition.ts';
import { type StoredForm, storedFormOf } from './event-forms.ts';

/** A kind in one version. One object for each that is served; compared by identity. */
export class ApiResource {
  readonly kind: Kind;
  /** Of the kind that its objects are stored as, which is the kind itself but for one. */
  readonly kindId: string;
  readonly version: string;
  /** `group/version` as this resource's objects have it. */
  readonly apiVersion: string;
  /** `group/version` as objects are stored. */
  readonly storedApiVersion: string;
  readonly group: string;
  readonly plural: string;
  /** Custom resources know no strategic merge patch, and a new one comes without status. */
  readonly isCustom: boolean;
  readonly printerColumns: readonly PrinterColumn[] | undefined;
  /** How its objects are stored, where that is as those of another kind. */
  readonly storedForm: StoredForm | undefined;

  constructor(kind: Kind, version: string) {
    this.kind = kind;
    const form = storedFormOf(kindId(kind.group, kind.name));
    this.storedForm = form;
    this.kindId = form === undefined ? kindId(kind.group, kind.name) : kindId(form.group, form.kind);
    this.version = version;
    this.apiVersion = apiVersionOf(kind, version);
    this.storedApiVersion = form?.apiVersion ?? apiVersionOf(kind);
    this.group = kind.group;
    this.plural = kind.plural;
    this.isCustom = !isKubernetesGroup(kind.group);
    this.printerColumns = kind.versionColumns === undefined ? kind.columns : kind.versionColumns.get(version);
  }

  /** Its references lead to the definitions of resources/openapi. Undefined: anything goes. */
  get schema(): Schema | undefined {
    return schemaOf(this.kind, this.version);
  }

  /** How the fields of its objects merge. */
  get fieldType(): FieldType {
    return fieldType(this.schema, resolveRef);
  }

  has(subresource: string): boolean {
    return this.kind.subresources.some(({ name }) => name === subresource);
  }

  /** The key of one of its objects. @param namespace '' when cluster-scoped */
  key(namespace: string, name: string): ObjectKey {
    const { group, kind } = this.storedForm ?? { group: this.group, kind: this.kind.name };
    return { group, kind, namespace, name };
  }

  /** A stored object as this version shows it. Versions differ in their name only. */
  show(object: ResourceObject): ResourceObject {
    if (this.kindId === DEFINITION) return withSchemas(object);
    if (object.apiVersion === this.apiVersion) return object;
    return this.storedForm?.fromStored(object) ?? { ...object, apiVersion: this.apiVersion };
  }

  /** An object of this version as it is stored. */
  toStored(object: ResourceObject): ResourceObject {
    if (object.apiVersion === this.storedApiVersion) return object;
    return this.storedForm?.toStored(object) ?? { ...object, apiVersion: this.storedApiVersion };
  }
}
